// `millrace/client`: what pages, workers and programs use of a hub.

export { connect, type HubConnection } from './connect.ts'
export { MillraceError } from './millrace-error.ts'
export type { ClientCode } from './millrace-error.ts'
export type {
  ConnectionState,
  ConnectOptions,
  EventsOptions,
  Gap,
  HistoryOptions,
  HistoryPage,
  HubEvent,
  KeyValueStore,
  Presence,
  PublishOptions,
  Reset,
  Status,
  SubscribeOptions,
  TopicsOptions,
  TopicSummary,
} from './options.ts'
export type { Published } from './publish.ts'
export type { OnEvent, Subscription } from './subscription.ts'
