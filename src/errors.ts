// The error catalogue: every error a client or an operator can meet, with its stable code.
// `http/problem.ts` turns these into problem+json; docs/reference/errors.md is made from this table.

interface ErrorEntry {
  readonly status: number
  readonly title: string
  /** What it means and what to do about it; for the reference page. */
  readonly help: string
}

const catalogue = {
  MILLRACE_TOPIC_INVALID: {
    status: 400,
    title: 'The topic name is not valid',
    help: 'Use slash-separated segments without `*`, control characters, `.` or `..`, within `--max-topic-name-bytes`.',
  },
  MILLRACE_PATTERN_INVALID: {
    status: 400,
    title: 'The topic pattern is not valid',
    help: '`*` stands for one whole segment, `**` for any number of them and only at the end.',
  },
  MILLRACE_TOO_MANY_PATTERNS: {
    status: 400,
    title: 'The feed names too many topics and patterns',
    help: 'Ask for fewer, use a wider pattern, or raise `--max-patterns-per-feed`.',
  },
  MILLRACE_TYPE_INVALID: {
    status: 400,
    title: 'The event type is not valid',
    help: 'Use 1 to 128 bytes without control characters that do not start with `millrace:`.',
  },
  MILLRACE_ID_INVALID: {
    status: 400,
    title: 'The id is not one that this hub could have issued',
    help: '`after` takes an id exactly as the hub sent it, or `earliest`; `before` one, or `latest`.',
  },
  MILLRACE_REQUEST_INVALID: {
    status: 400,
    title: 'The request is not valid',
    help: 'The detail names the parameter or header and what is expected of it.',
  },
  MILLRACE_JSON_INVALID: {
    status: 400,
    title: 'The body is not valid JSON',
    help: 'Send one JSON value, or use `content-type: text/plain` for text.',
  },
  MILLRACE_LINE_INVALID: {
    status: 400,
    title: 'A line of the body is not valid',
    help: 'The lines before it are published: `published` says how many. Mend the line and send the rest.',
  },
  MILLRACE_NOT_UTF8: {
    status: 400,
    title: 'The body is not valid UTF-8',
    help: 'Server-Sent Events carry UTF-8 only. Encode binary data (base64, say) first.',
  },
  MILLRACE_BODY_CUT: {
    status: 400,
    title: 'The body ended early',
    help: 'The connection was closed before the whole body arrived. Send it again with the same Idempotency-Key.',
  },
  MILLRACE_AUTHORIZATION_INVALID: {
    status: 400,
    title: 'The authorization header cannot be read',
    help: 'Mercure takes one header `Authorization: Bearer` with a token.',
  },
  MILLRACE_TOKEN_MISSING: {
    status: 401,
    title: 'A token is needed',
    help: 'Send `Authorization: Bearer` with a token that grants this, or the cookie that `PUT /session` makes of one.',
  },
  MILLRACE_TOKEN_INVALID: {
    status: 401,
    title: 'The token is not accepted',
    help: 'The detail says why. `millrace token explain` tells what a token holds. Without a token, you may do what anonymous clients may.',
  },
  MILLRACE_TOKEN_EXPIRED: {
    status: 401,
    title: 'The token has expired',
    help: 'Get a new one from whoever issued it. Streams that are open get it by `POST /feed/{feed}/token`, before the old one expires.',
  },
  MILLRACE_FORBIDDEN: {
    status: 403,
    title: 'This is not granted to you',
    help: 'The grant covers neither this topic nor a pattern that contains it.',
  },
  MILLRACE_ORIGIN_FORBIDDEN: {
    status: 403,
    title: 'This origin is not allowed',
    help: 'Pages of other origins may use the hub only if `--cors-origin` names their origin.',
  },
  MILLRACE_HOST_FORBIDDEN: {
    status: 403,
    title: 'This host name is not allowed',
    help: 'A hub on loopback answers to loopback names only, and one with `--allowed-host` to the names that it was given, so that no page of a foreign site can reach it under a name of its own (DNS rebinding). Name the host that clients see, behind a proxy too: `--allowed-host`.',
  },
  MILLRACE_PROXY_UNNAMED: {
    status: 403,
    title: 'The hub was not told of the proxy',
    help: 'A hub on loopback without a key is open to its own machine, and refuses what a proxy hands on from elsewhere (`X-Forwarded-For` and `X-Real-IP` with other addresses than loopback, `Forwarded`, `Via`). Give it a key for tokens, or name the proxy, `--trust-proxy`, and say what anyone may do.',
  },
  MILLRACE_NOT_FOUND: {
    status: 404,
    title: 'There is nothing here',
    help: 'The topic holds no event, or no route has this path. `/openapi.json` lists the routes.',
  },
  MILLRACE_METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'The path does not take this method',
    help: 'The `allow` header lists the methods it takes.',
  },
  MILLRACE_NOT_ACCEPTABLE: {
    status: 406,
    title: 'None of the accepted media types can be served',
    help: 'Accept `text/event-stream` for a stream or `application/json` for a page of history.',
  },
  MILLRACE_REQUEST_TIMEOUT: {
    status: 408,
    title: 'The request did not arrive in time',
    help: 'Send the head within `--head-timeout-ms`, and let no more than `--body-timeout-ms` pass without a byte of the body. An NDJSON upload may rest between two lines.',
  },
  MILLRACE_FEED_FIXED: {
    status: 409,
    title: 'The stream cannot follow that',
    help: 'Topics are added to streams of `/feed` only, and to a compressed one none that `--compression-exclude` names. Open another stream, after the last id.',
  },
  MILLRACE_BODY_TOO_LARGE: {
    status: 413,
    title: 'The body is too large',
    help: 'Publish a reference to large data, or raise `--max-body-bytes`. For NDJSON the limit holds per line.',
  },
  MILLRACE_MEDIA_TYPE_UNSUPPORTED: {
    status: 415,
    title: 'The media type is not supported',
    help: 'Events are text: send text, JSON or NDJSON in UTF-8. Encode binary data (base64, say) first.',
  },
  MILLRACE_KEY_REUSED: {
    status: 422,
    title: 'The Idempotency-Key was used for another event',
    help: 'Use a fresh key for each new request; repeat a key only to repeat its request.',
  },
  MILLRACE_TOO_MANY_STREAMS: {
    status: 429,
    title: 'The connection has too many event streams',
    help: 'Follow many topics on one stream with `/feed`, or raise `--max-streams-per-connection`.',
  },
  MILLRACE_CONNECTION_FULL: {
    status: 429,
    title: 'The connection has too much under way',
    help: 'Read the answers that wait, send fewer large bodies at once, or raise `--max-held-bytes-per-connection`.',
  },
  MILLRACE_PUBLISH_RATE: {
    status: 429,
    title: 'Events are published too fast',
    help: 'Wait `retry-after` seconds, or raise `--max-publish-rate`.',
  },
  MILLRACE_TOO_MANY_CHANGES: {
    status: 429,
    title: 'The stream has too many changes before it',
    help: 'Read the stream up to `millrace:topics`, and change many topics in one request.',
  },
  MILLRACE_ADDRESS_CONNECTIONS: {
    status: 429,
    title: 'There are too many connections from this address',
    help: 'One HTTP/2 connection carries many streams: use it for all. Or raise `--max-connections-per-address`, which clients behind one proxy share.',
  },
  MILLRACE_STREAM_RATE: {
    status: 429,
    title: 'Event streams are opened too fast',
    help: 'Wait `retry-after` seconds, follow many topics on one stream with `/feed`, or raise `--max-stream-rate`.',
  },
  MILLRACE_HEADERS_TOO_LARGE: {
    status: 431,
    title: 'The request headers are too large',
    help: 'Send fewer or shorter headers, or raise `--max-header-bytes`.',
  },
  MILLRACE_INTERNAL: {
    status: 500,
    title: 'Something went wrong in the hub',
    help: 'The log of the hub has the cause, under the `requestId` of this problem.',
  },
  MILLRACE_DRAINING: {
    status: 503,
    title: 'The hub is shutting down',
    help: 'Try again after `retry-after` seconds; another instance may answer.',
  },
  MILLRACE_TOO_MANY_CONNECTIONS: {
    status: 503,
    title: 'The hub has too many connections',
    help: 'Try again after `retry-after` seconds, or raise `--max-connections`.',
  },
  MILLRACE_INSPECTOR_NOT_BUILT: {
    status: 503,
    title: "The inspector's page is not built",
    help: 'In a checkout, `npm ci` and `npm run build` build it. Then start the hub again.',
  },
  MILLRACE_KEYS_UNAVAILABLE: {
    status: 503,
    title: 'The keys of tokens cannot be read',
    help: 'The hub has not reached `--jwks-url` yet. Try again after `retry-after` seconds; the log of the hub has the cause.',
  },
  MILLRACE_LOG_FULL: {
    status: 503,
    title: 'The disk of the log is full',
    help: 'Nothing of the request was stored. Free space, or enlarge the disk: the hub goes on by itself, and readers go on meanwhile. Keep `--log-max-bytes` well below what the disk holds.',
  },
  MILLRACE_LOG_UNAVAILABLE: {
    status: 503,
    title: 'The log cannot be used',
    help: 'Nothing of the request was stored. The message of the hub has the cause; `millrace doctor` examines the file.',
  },
  MILLRACE_STATE_FULL: {
    status: 507,
    title: 'There is no room for more state',
    help: 'State is kept beyond retention, so it is bounded apart: delete topics or raise `--max-state-bytes`.',
  },
  MILLRACE_CONFIG_INVALID: {
    status: 500,
    title: 'The configuration is not valid',
    help: 'The message names the option and what it takes. `millrace serve --help` lists them.',
  },
  MILLRACE_PORT_TAKEN: {
    status: 500,
    title: 'The port is taken',
    help: 'Stop the other process or choose another `--port`.',
  },
  MILLRACE_LOG_IN_USE: {
    status: 500,
    title: 'The log is in use',
    help: 'One process at a time may use the directory of a log. Stop the other one, or choose another `--log`.',
  },
  MILLRACE_LOG_UNUSABLE: {
    status: 500,
    title: 'The log cannot be opened',
    help: 'The message says what is wrong with it: nothing was changed. `millrace doctor` examines it; restore it from a backup, or choose another `--log`.',
  },
  MILLRACE_CERTIFICATE_UNUSABLE: {
    status: 500,
    title: 'The certificate cannot be used',
    help: 'Check that `--cert` and `--key` are readable PEM files that belong together.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof catalogue

export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = catalogue

/** An error of the catalogue. `message` is the detail: what is wrong with this request, and what to do. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  readonly code: ErrorCode
  readonly status: number
  /** Further members of the problem document (RFC 9457, section 3.2), such as `line`. */
  readonly extra: Readonly<Record<string, string | number>>
  /** Seconds to wait before trying again; becomes the Retry-After header. */
  readonly retryAfter: number | undefined

  constructor(
    code: ErrorCode,
    detail: string,
    options: { extra?: Record<string, string | number>; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = catalogue[code].status
    this.extra = options.extra ?? {}
    this.retryAfter = options.retryAfter
  }
}
