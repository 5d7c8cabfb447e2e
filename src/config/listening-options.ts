// The options that say where and how the hub listens: a part of `schema.ts`.

import { Type } from 'typebox'

const MAX_WORKERS = 256

export const listeningOptions = {
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
    description: 'Where a private CA and a certificate are made at the first start when no `cert` is given.',
  }),
}
