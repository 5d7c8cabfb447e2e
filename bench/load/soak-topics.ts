// What bench/soak.ts publishes to and follows.

export const LINE_TOPICS = 100
export const SINGLE_PUBLISHERS = 4
export const TOPICS_PER_PUBLISHER = 10

export function lineTopic(at: number): string {
  return `soak/lines/${at % LINE_TOPICS}`
}

export function singleTopic(publisher: number, at: number): string {
  return `soak/single/${publisher}-${at % TOPICS_PER_PUBLISHER}`
}

/** Each is published to once and never again. */
export function onceTopic(at: number): string {
  return `soak/once/${at}`
}

export interface Selection {
  readonly path: string
  /** Of a stream of one topic. */
  readonly topic: string | undefined
}

const MANY = 50

/** One topic, everything, or many patterns. */
export function randomSelection(): Selection {
  const kind = Math.floor(Math.random() * 3)
  const topic = lineTopic(random(LINE_TOPICS))
  if (kind === 0) return { path: `/topics/${topic}`, topic }
  if (kind === 1) return { path: '/feed?topic=soak/**', topic: undefined }
  const patterns = Array.from({ length: MANY }, () => randomPattern())
  return { path: `/feed?${patterns.map(pattern => `topic=${pattern}`).join('&')}`, topic: undefined }
}

function randomPattern(): string {
  const patterns = [
    () => lineTopic(random(LINE_TOPICS)),
    () => `soak/*/${random(LINE_TOPICS)}`,
    () => singleTopic(random(SINGLE_PUBLISHERS), random(TOPICS_PER_PUBLISHER)),
    () => onceTopic(random(1_000_000)),
    () => `nobody/publishes/${random(1_000_000)}/**`,
  ]
  return patterns[random(patterns.length)]!()
}

export function random(below: number): number {
  return Math.floor(Math.random() * below)
}
