// What embedders import: the hub, its logs, and the server that `millrace serve` runs.

export type { NewEvent, Position, StoredEvent, Topic } from './event.ts'
export { MillraceError, type ErrorCode } from './errors.ts'
export { Hub } from './hub/hub.ts'
export type { HubObserver } from './hub/observer.ts'
export type { EventLog } from './log/event-log.ts'
export { MemoryLog, type MemoryLogOptions } from './log/memory.ts'
export { loadConfig } from './config/load.ts'
export { startServer, type RunningServer } from './server.ts'
