// Stands in for a model's API: composes a text out of ready sentences, the same one to the same question, and takes its time.
// In place of it, `answerTo` would ask your provider for a stream, and yield the text of each of its parts:
//
//   const stream = await provider.stream({ model: '...', messages: [{ role: 'user', content: question }] })
//   for await (const part of stream) yield part.text

import { setTimeout as sleep } from 'node:timers/promises'

const OPENINGS = [
  'That is a good thing to ask, and water has an answer to most questions.',
  'There is a short answer and a long one; here is the one in between.',
  'Millers have thought about this for longer than most of us.',
]

const SENTENCES = [
  'A mill does not make the river faster, it only stops wasting what the river already does.',
  'Whatever arrives is taken as it comes, in order, and passed on at once.',
  'When the wheel stands still, the water waits behind the weir, and none of it is lost.',
  'A narrow channel is quicker than a wide pond, which is why the race is narrow.',
  'You can open the gate a hand further, but you cannot hurry the rain.',
  'Each bucket carries little, and there is always another one behind it.',
  'If you step away for a while, the stream goes on, and you find it where it is by then.',
  'Most of the craft is in the gate: how much to let through, and when to let go.',
  'What was ground this morning is flour still, whoever comes to fetch it in the evening.',
]

const CLOSINGS = [
  'So begin with a small wheel and a good gate, and see how far that carries you.',
  'In short: keep the order, lose nothing, and let the water do the work.',
]

const TOKENS_A_SECOND = 35

/** The answer's tokens, as they are generated. */
export async function* answerTo(question: string): AsyncGenerator<string, void, undefined> {
  for (const token of tokensOf(composeAnswer(question))) {
    await sleep(1000 / TOKENS_A_SECOND)
    yield token
  }
}

export function composeAnswer(question: string): string {
  const random = randomFrom(question)
  const pick = (texts: readonly string[]): string => texts[Math.floor(random() * texts.length)]!
  const middle = SENTENCES.map(text => ({ text, at: random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ text }) => text)
  const paragraphs = [
    [pick(OPENINGS), ...middle.slice(0, 2)],
    middle.slice(2, 5),
    [middle[5]!, pick(CLOSINGS)],
  ]
  return paragraphs.map(sentences => sentences.join(' ')).join('\n\n')
}

/** Words and parts of long words, as models have them. */
function tokensOf(text: string): readonly string[] {
  return text.match(/\s*\S{1,5}/g) ?? []
}

/** Numbers from 0 to 1 that look random, and are the same for the same text (FNV-1a, then mulberry32). */
function randomFrom(text: string): () => number {
  let state = 0x811c9dc5
  for (const byte of Buffer.from(text)) state = Math.imul(state ^ byte, 0x01000193)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
