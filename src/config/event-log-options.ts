// The options that say where events are kept, and how many: a part of `schema.ts`.

import { Type } from 'typebox'

const DISK_LOG_BYTES = 8_589_934_592
export const MEMORY_LOG_BYTES = 268_435_456

export const eventLogOptions = {
  log: Type.String({
    group: 'Event log',
    placeholder: 'url',
    default: 'sqlite:data',
    description:
      'Where events are kept: `sqlite:DIR` on disk, in a directory of its own, or `memory:` until the process ends.',
  }),
  logCacheBytes: Type.Integer({
    group: 'Event log',
    default: 67_108_864,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'What a log on disk keeps of its newest events in memory too: short resumes do not read the disk.',
  }),
  logMaxBytes: Type.Integer({
    group: 'Event log',
    default: DISK_LOG_BYTES,
    defaultNote: `${DISK_LOG_BYTES} on disk, ${MEMORY_LOG_BYTES} in memory`,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'What the log keeps in all. Beyond it, the oldest events go first on disk, the topics that were idle longest in memory.',
  }),
  logMaxTopicBytes: Type.Integer({
    group: 'Event log',
    default: 134_217_728,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'What the log keeps of one topic. Beyond it, the oldest events go first.',
  }),
  logMaxTopicEvents: Type.Integer({
    group: 'Event log',
    default: 1_000_000,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'How many events the log keeps of one topic.',
  }),
  logMaxAgeMs: Type.Integer({
    group: 'Event log',
    default: 86_400_000,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'How long the log keeps an event.',
  }),
  retention: Type.Array(Type.String(), {
    group: 'Event log',
    placeholder: 'rule',
    defaultNote: 'none',
    description:
      'Other limits for topics that match a pattern, such as `logs/** events=1000 bytes=2000000 ageMs=3600000`. The first rule that matches holds.',
  }),
  maxStateBytes: Type.Integer({
    group: 'Event log',
    default: 67_108_864,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Room for the states of all topics, which are kept beyond the limits above.',
  }),
}
