// The options that say when event streams are compressed: a part of `schema.ts`.

import { Type } from 'typebox'
import { COMPRESSION_RULE } from '../gzip/rule.ts'

export const compressionOptions = {
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
}
