// Every option of the hub: one schema that makes validation, `--help`, the environment's names and
// docs/reference/configuration.md.

import { Type, type Static } from 'typebox'
import { COMPRESSION_RULE } from '../gzip/rule.ts'
import { accessOptions } from './access-options.ts'

// The largest delay that a Node timer takes; a longer one would fire at once.
const MAX_TIMER_MS = 2_147_483_647
// Clients of the hub take a stream that was silent for 72 s for dead, so whatever keeps it alive comes more often.
const MAX_KEEPALIVE_MS = 71_999

const MAX_WORKERS = 256

export const DISK_LOG_BYTES = 8_589_934_592
export const MEMORY_LOG_BYTES = 268_435_456

export const configSchema = Type.Object(
  {
    port: Type.Integer({
      group: 'Listening',
      default: 9443,
      minimum: 0,
      maximum: 65_535,
      description: 'The TCP port. 0 takes any free one.',
    }),
    host: Type.String({
      group: 'Listening',
      default: '127.0.0.1',
      minLength: 1,
      description:
        'The address to listen on. Anything but loopback also needs a word on what anonymous clients may do.',
    }),
    workers: Type.Union([Type.Integer({ minimum: 1, maximum: MAX_WORKERS }), Type.Literal('auto')], {
      group: 'Listening',
      placeholder: 'n|auto',
      default: 1,
      minimum: 1,
      maximum: MAX_WORKERS,
      orWord: 'auto',
      description:
        'How many threads serve the port, each with a hub of its own over one log. `auto` is one for each core; 1 does all in one thread.',
    }),
    tls: Type.Boolean({
      group: 'Listening',
      default: true,
      description: 'Speak HTTP/2 over TLS.',
      offDescription: 'Speak plain HTTP/1.1 instead of TLS, for a TLS-terminating proxy in front only.',
    }),
    cert: Type.Optional(
      Type.String({
        group: 'Listening',
        placeholder: 'file',
        minLength: 1,
        description: 'The certificate chain, PEM. Needs `key`. SIGHUP reads both again.',
      }),
    ),
    key: Type.Optional(
      Type.String({
        group: 'Listening',
        placeholder: 'file',
        minLength: 1,
        description: 'The private key of `cert`, PEM.',
      }),
    ),
    certsDir: Type.String({
      group: 'Listening',
      placeholder: 'dir',
      default: 'certs',
      minLength: 1,
      description:
        'Where a private CA and a certificate are made at the first start when no `cert` is given.',
    }),

    ...accessOptions,

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

    mercure: Type.Boolean({
      group: 'Mercure',
      default: true,
      description: 'Speak the Mercure protocol at `/.well-known/mercure`.',
      offDescription: 'Do not speak the Mercure protocol',
    }),
    mercureSubscriptions: Type.Boolean({
      group: 'Mercure',
      default: true,
      description:
        'Tell of active Mercure subscriptions: an event when one begins or ends, and `/.well-known/mercure/subscriptions`.',
      offDescription: 'Do not tell of Mercure subscriptions',
    }),
    maxBodyBytes: Type.Integer({
      group: 'Publishing',
      default: 1_048_576,
      minimum: 1,
      // Well under V8's longest string, which event data must fit.
      maximum: 268_435_456,
      description: 'The largest event: a whole request body, or one line of an NDJSON body.',
    }),
    bodyTimeoutMs: Type.Integer({
      group: 'Publishing',
      default: 60_000,
      minimum: 10,
      maximum: MAX_TIMER_MS,
      description:
        'How long a body may bring nothing (between two lines of NDJSON: for ever), and how long the rest of a refused one is read and thrown away.',
    }),
    maxPublishRate: Type.Integer({
      group: 'Publishing',
      unit: 'events/s',
      default: 0,
      minimum: 0,
      maximum: 1_000_000_000,
      description: 'What one client may publish, by its address and by its token. 0 means no limit.',
    }),
    maxStreamRate: Type.Integer({
      group: 'Receiving',
      unit: 'streams/s',
      default: 0,
      minimum: 0,
      maximum: 1_000_000_000,
      description:
        'How many event streams one client may open, by its address and by its token. 0 means no limit.',
    }),
    maxTopicNameBytes: Type.Integer({
      group: 'Publishing',
      default: 256,
      minimum: 1,
      maximum: 4096,
      description: 'The longest topic name or pattern.',
    }),
    maxIdempotencyKeys: Type.Integer({
      group: 'Publishing',
      default: 100_000,
      minimum: 1,
      maximum: 10_000_000,
      description: 'How many Idempotency-Keys are remembered.',
    }),
    idempotencyKeyAgeMs: Type.Integer({
      group: 'Publishing',
      default: 86_400_000,
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'How long an Idempotency-Key is remembered.',
    }),

    maxPatternsPerFeed: Type.Integer({
      group: 'Receiving',
      default: 1000,
      minimum: 1,
      maximum: 100_000,
      description: 'How many topics and patterns one feed may name.',
    }),
    maxBufferedBytes: Type.Integer({
      group: 'Receiving',
      default: 65_536,
      // Node says 'drain' below this; a smaller limit would never be told that there is room.
      minimum: 65_536,
      maximum: 67_108_864,
      description:
        'Unsent bytes of one stream above which it gets no live events and catches up from the log instead.',
    }),
    maxPageEvents: Type.Integer({
      group: 'Receiving',
      default: 1000,
      minimum: 1,
      maximum: 100_000,
      description: 'The longest page of history.',
    }),
    maxWaitMs: Type.Integer({
      group: 'Receiving',
      default: 60_000,
      minimum: 0,
      maximum: MAX_TIMER_MS,
      description: 'The longest time that a long-polling request (`wait=`) is held.',
    }),
    retryMs: Type.Integer({
      group: 'Receiving',
      default: 2000,
      minimum: 0,
      maximum: MAX_TIMER_MS,
      description: 'How long clients are told to wait before they reconnect (`retry:`).',
    }),
    presenceIntervalMs: Type.Integer({
      group: 'Receiving',
      default: 1000,
      minimum: 10,
      maximum: 3_600_000,
      unit: 'ms',
      description: 'How often streams that want to know are told who has come and gone.',
    }),
    heartbeatMs: Type.Integer({
      group: 'Receiving',
      default: 15_000,
      minimum: 10,
      maximum: MAX_KEEPALIVE_MS,
      description: 'A silent stream gets a comment this often, so that proxies keep it open.',
    }),
    stallTimeoutMs: Type.Integer({
      group: 'Receiving',
      default: 60_000,
      minimum: 10,
      maximum: MAX_TIMER_MS,
      description:
        'A stream whose client reads nothing for this long, or less than 16 KiB of what waits, is closed; the client can resume.',
    }),

    compression: Type.Boolean({
      group: 'Compression',
      default: true,
      description: 'Send event streams with gzip to clients that accept it, compressed once for all of them.',
      offDescription: 'Compress no event stream.',
    }),
    compressionExclude: Type.Array(Type.String(), {
      group: 'Compression',
      placeholder: 'pattern',
      defaultNote: 'none',
      description:
        'Topic patterns whose events are never compressed, such as `accounts/**`: where secrets stand beside text that others can choose, the size tells of them (BREACH).',
    }),
    compressionMinReaders: Type.Integer({
      group: 'Compression',
      default: COMPRESSION_RULE.minReaders,
      minimum: 1,
      maximum: 1_000_000,
      description:
        'How many clients that accept gzip must follow the same topics before what they get is compressed. For fewer, it costs more CPU than it saves; 1 saves bytes at any cost.',
    }),
    compressionMinBytes: Type.Integer({
      group: 'Compression',
      default: COMPRESSION_RULE.minBytes,
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'What one write must come to for all of these clients together, before compression, to be compressed.',
    }),

    maxConnections: Type.Integer({
      group: 'Connections',
      default: 50_000,
      minimum: 1,
      maximum: 10_000_000,
      description: 'How many connections are open at once.',
    }),
    maxConnectionsPerAddress: Type.Integer({
      group: 'Connections',
      default: 0,
      minimum: 0,
      maximum: 10_000_000,
      description:
        'How many connections one address has at once, an IPv6 network of 64 bits being one. 0 means no limit. Those of a proxy that `trustProxy` names are not counted; behind any other, all clients share its address.',
    }),
    maxStreamsPerConnection: Type.Integer({
      group: 'Connections',
      default: 256,
      minimum: 1,
      maximum: 100_000,
      description: 'How many event streams one HTTP/2 connection carries at once.',
    }),
    maxHeaderBytes: Type.Integer({
      group: 'Connections',
      default: 32_768,
      minimum: 1024,
      maximum: 1_048_576,
      description: 'The largest request head. A feed names its topics there.',
    }),
    headTimeoutMs: Type.Integer({
      group: 'Connections',
      default: 20_000,
      minimum: 10,
      maximum: MAX_TIMER_MS,
      description: 'How long a TLS handshake may take, and the head of an HTTP/1.1 request.',
    }),
    maxHeldBytesPerConnection: Type.Integer({
      group: 'Connections',
      unit: 'bytes',
      default: 67_108_864,
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'What bodies that are under way and answers that are not read yet take of memory. One of them always fits.',
    }),
    maxOverheadRate: Type.Integer({
      group: 'Connections',
      unit: 'bytes/s',
      default: 65_536,
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'What an HTTP/2 peer may send beside requests and bodies (PING, SETTINGS, padding and the like). Beyond it the connection is ended.',
    }),
    pingIntervalMs: Type.Integer({
      group: 'Connections',
      default: 15_000,
      minimum: 10,
      maximum: MAX_KEEPALIVE_MS,
      description: 'How often a silent HTTP/2 peer is sent a PING.',
    }),
    pingTimeoutMs: Type.Integer({
      group: 'Connections',
      default: 10_000,
      minimum: 10,
      maximum: MAX_TIMER_MS,
      description:
        'A peer that leaves a PING unanswered for this long is freed; for twice as long, if it sends something else meanwhile.',
    }),
    idleTimeoutMs: Type.Integer({
      group: 'Connections',
      default: 72_000,
      minimum: 10,
      maximum: MAX_TIMER_MS,
      description:
        'A connection with no stream open and no request for this long is closed; on HTTP/2 up to `pingIntervalMs` later.',
    }),
    drainMs: Type.Integer({
      group: 'Connections',
      default: 5000,
      minimum: 0,
      maximum: MAX_TIMER_MS,
      description: 'After SIGTERM, all streams are closed within this time.',
    }),

    logLevel: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const, {
      group: 'Logging',
      placeholder: 'level',
      default: 'info',
      description: 'The least severe messages to print.',
    }),
    logFormat: Type.Enum(['auto', 'json', 'pretty'] as const, {
      group: 'Logging',
      placeholder: 'format',
      default: 'auto',
      description: 'How messages are printed. `auto` is pretty on a terminal and JSON otherwise.',
    }),
  },
  { additionalProperties: false },
)

type Options = Static<typeof configSchema>
export type OptionName = keyof Options
type ReadonlyValue<T> = T extends readonly (infer Item)[] ? readonly Item[] : T

/** What `loadConfig` returns: every option has its value, and the whole is frozen. */
export type Config = {
  readonly [Name in Exclude<OptionName, OptionalName>]: ReadonlyValue<Options[Name]>
} & { readonly [Name in OptionalName]: string | undefined }

/** These have no default. */
type OptionalName = 'publicUrl' | 'cert' | 'key' | 'jwtKey' | 'jwtKeyFile' | 'jwksUrl' | 'apiKeysFile'

/** What one source sets: some of the options, checked one by one. */
export type GivenOptions = { readonly [Name in OptionName]?: Config[Name] }

/** What this project reads of an option's schema, whatever its type. */
export interface OptionSchema {
  readonly type?: 'integer' | 'string' | 'boolean' | 'array'
  readonly enum?: readonly string[]
  /** It takes an integer within its bounds, or this word. */
  readonly orWord?: string
  readonly group: string
  readonly description: string
  readonly default?: string | number | boolean
  /** The default in words, where it depends on another option. */
  readonly defaultNote?: string
  /** What turning it off does, for the `--no-` flag. */
  readonly offDescription?: string
  readonly placeholder?: string
  /** It has no flag: command lines are for all to see. */
  readonly isSecret?: boolean
  readonly unit?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
}

export const OPTIONS = configSchema.properties as unknown as Readonly<Record<OptionName, OptionSchema>>
export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[]

/** What runs when nothing is set: loopback, and open to all of it. */
export const DEFAULTS: Config = Object.freeze({
  ...(Object.fromEntries(OPTION_NAMES.map(name => [name, OPTIONS[name].default])) as unknown as Config),
  corsOrigin: Object.freeze([]),
  jwtAlgorithms: Object.freeze([]),
  jwtIssuer: Object.freeze([]),
  jwtAudience: Object.freeze([]),
  trustProxy: Object.freeze([]),
  allowedHost: Object.freeze([]),
  retention: Object.freeze([]),
  compressionExclude: Object.freeze([]),
  anonymousPublish: Object.freeze(['**']),
  anonymousReceive: Object.freeze(['**']),
})
