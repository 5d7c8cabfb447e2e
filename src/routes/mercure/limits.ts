// The limits of the Mercure protocol's requests and tokens.

/** Topics of one update. */
export const MAX_TOPICS = 1000

/** Bytes of an id that a publisher chooses. */
export const MAX_ID_BYTES = 1024

/** Matchers of one draft 8 subscription. */
export const MAX_MATCHERS = 100

/** Selectors of one draft 7 subscription, and entries of each list of a draft 7 token. */
export const MAX_SELECTORS = 1000

/** Bytes of a matcher's value. */
export const MAX_PATTERN_BYTES = 4096

/** Details of one draft 8 token, and topics of all its details together. */
export const MAX_DETAILS = 100

/** What all patterns and templates of one subscription may weigh (`linear-expression.ts`), and those of a token. */
export const MAX_WEIGHT = 2000

/** Bytes of the payload that a token gives its subscriptions, as JSON: it stands in each of their events. */
export const MAX_PAYLOAD_BYTES = 4096
