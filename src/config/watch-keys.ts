// Puts the keys of tokens into service again when their files have changed.

import type { Logger } from 'pino'
import type { KeyTexts } from '../auth/authenticator.ts'
import type { KeyFiles, KeyOption } from './key-files.ts'

/** Puts changed keys into service. What it returns does so at once, and says whether there were any. */
export function watchKeys(
  keys: KeyFiles,
  side: { useKeys(keys: KeyTexts): void },
  logger: Pick<Logger, 'info' | 'error'>,
): () => boolean {
  const reload = (): boolean => {
    const isChanged = keys.reload((option, error) => logger.error({ err: error }, KEY_FAULTS[option]))
    if (isChanged) {
      side.useKeys(keys.texts)
      logger.info('the keys of tokens were read again')
    }
    return isChanged
  }
  keys.watch(reload)
  return reload
}

const KEY_FAULTS: Readonly<Record<KeyOption, string>> = {
  jwtKeyFile: 'the file of the key of tokens cannot be used; the key that it had stays in service',
  apiKeysFile:
    'the file of API keys cannot be used; those that it had stay in service (an empty list, {"keys": []}, revokes all of them)',
}
