// What embedders import: the Fastify plugin, the hub, its logs, and the server that `millrace serve` runs.

// oxlint-disable-next-line import/no-default-export -- how Fastify's plugins are imported
export { millrace as default } from './embed/plugin.ts'
export type * from './embed/app-hub.ts'
export type { AppGrant, MillraceOptions } from './embed/options.ts'
export type { NewEvent, Position, StoredEvent, Topic } from './event.ts'
export { MillraceError, type ErrorCode } from './errors.ts'
export { Hub } from './hub/hub.ts'
export type { HubObserver } from './hub/observer.ts'
export type { EventLog } from './log/event-log.ts'
export { MemoryLog, type MemoryLogOptions } from './log/memory.ts'
export { loadConfig } from './config/load.ts'
export { startServer, type RunningServer } from './server.ts'
