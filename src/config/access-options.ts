// The options that say who may use the hub: a part of `schema.ts`.

import { Type } from 'typebox'
import { ALGORITHMS } from '../auth/algorithms.ts'

export const accessOptions = {
  corsOrigin: Type.Array(Type.String(), {
    group: 'Access',
    placeholder: 'origin',
    defaultNote: 'loopback origins while the host is loopback, none otherwise',
    description: 'Origins whose pages may use the hub from a browser, such as `https://app.example.org`.',
  }),
  anonymousPublish: Type.Array(Type.String(), {
    group: 'Access',
    placeholder: 'pattern',
    defaultNote:
      '`**` while the host is loopback, with no proxy in front, and no token is taken; none otherwise',
    description: 'Topic patterns that anyone may publish to, such as `sensors/*`.',
  }),
  anonymousReceive: Type.Array(Type.String(), {
    group: 'Access',
    placeholder: 'pattern',
    defaultNote:
      '`**` while the host is loopback, with no proxy in front, and no token is taken; none otherwise',
    description: 'Topic patterns that anyone may receive, such as `public/**`.',
  }),

  anonymousMetrics: Type.Boolean({
    group: 'Access',
    default: true,
    defaultNote: 'yes while the hub is open to all, else no',
    description: 'Anyone may read `/metrics`; else an admin grant is needed.',
    offDescription: 'Let nobody read `/metrics` without an admin grant.',
  }),
  inspector: Type.Enum(['auto', 'on', 'off'] as const, {
    group: 'Access',
    placeholder: 'auto|on|off',
    default: 'auto',
    description:
      'Serve the inspector at `/inspector`: a page that shows operators what flows. `auto`: while the host is loopback, with no proxy in front. It needs an admin grant, but for a hub on loopback that takes no tokens.',
  }),
  jwtKey: Type.Optional(
    Type.String({
      group: 'Access',
      isSecret: true,
      minLength: 1,
      description:
        'What tokens (JWT) are verified with: a secret of at least 32 bytes, or a public key as PEM, JWK or JWK Set.',
    }),
  ),
  jwtKeyFile: Type.Optional(
    Type.String({
      group: 'Access',
      placeholder: 'file',
      minLength: 1,
      description: 'What `jwtKey` (MILLRACE_JWT_KEY) is, in a file that is read again when it changes.',
    }),
  ),
  jwksUrl: Type.Optional(
    Type.String({
      group: 'Access',
      placeholder: 'url',
      minLength: 1,
      description:
        'A JWK Set in their place, at an `https:` address: read again every `jwksMaxAgeMs`, on SIGHUP, and when a token names a key that is not there. Needs `jwtAudience`.',
    }),
  ),
  jwksMaxAgeMs: Type.Integer({
    group: 'Access',
    default: 600_000,
    minimum: 10_000,
    maximum: 86_400_000,
    description:
      'How often `jwksUrl` is asked again: tokens of a key that is gone are good, and their streams open, for this long. Each worker asks for itself.',
  }),
  jwtAlgorithms: Type.Array(Type.Enum(ALGORITHMS), {
    group: 'Access',
    placeholder: 'algorithm',
    defaultNote: 'those that fit the key; HS256 for a secret',
    description: 'Signature algorithms that are accepted, such as `ES256`.',
  }),
  jwtIssuer: Type.Array(Type.String(), {
    group: 'Access',
    placeholder: 'issuer',
    defaultNote: 'any',
    description: 'Accepted values of `iss`.',
  }),
  jwtAudience: Type.Array(Type.String(), {
    group: 'Access',
    placeholder: 'audience',
    defaultNote: 'any',
    description: 'Accepted values of `aud`.',
  }),
  apiKeysFile: Type.Optional(
    Type.String({
      group: 'Access',
      placeholder: 'file',
      minLength: 1,
      description:
        'API keys of backends, as hashes: `millrace token key` adds one. Read again when it changes; who lost a key loses its streams.',
    }),
  ),
  authCookie: Type.String({
    group: 'Access',
    placeholder: 'name',
    default: '__Host-millrace',
    pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
    description: 'The cookie that carries tokens; `PUT /session` sets it.',
  }),
  authQuery: Type.Boolean({
    group: 'Access',
    default: false,
    description:
      'Take tokens from the query parameter `authorization` too. Addresses end up in logs: prefer cookies.',
  }),
  publicUrl: Type.Optional(
    Type.String({
      group: 'Access',
      placeholder: 'url',
      description:
        "Where clients reach the hub, if a proxy stands between: `https://hub.example.org`. Its host is an allowed one, and its pages are the hub's own.",
    }),
  ),
  trustProxy: Type.Array(Type.String(), {
    group: 'Access',
    placeholder: 'address',
    defaultNote: 'none',
    description:
      'Proxies whose `X-Forwarded-For` is believed, as addresses or networks such as `10.0.0.0/8`: rates and the log go by the client that it names, and `maxConnectionsPerAddress` does not count the connections of the proxies. A hub on loopback without a key refuses what shows that it came from elsewhere through any other.',
  }),
  allowedHost: Type.Array(Type.String(), {
    group: 'Access',
    placeholder: 'name',
    defaultNote: 'none',
    description:
      'Host names that the hub answers to beside those of loopback and its own address, such as the one that a proxy in front passes on. Without any, a hub off loopback answers to all.',
  }),
}
