// Who wants what in bench/many-topics.ts: subscribers, and the topics that each gets.

export type ManyTopicsShape = 'own' | 'patterns' | 'crowd'

export interface Shape {
  readonly topics: readonly string[]
  /** Of each subscriber. */
  readonly paths: readonly string[]
  /** The topics that this subscriber gets. */
  wanted(subscriber: number): readonly string[]
  readonly readersPerEvent: number
  /** Events that are published together: so few that hardly a stream gets two of them. */
  readonly batch: number
}

export const shapes: Readonly<Record<ManyTopicsShape, (size: number) => Shape>> = { own, patterns, crowd }

function own(size: number): Shape {
  const topics = topicsOfSites(size / 10)
  return {
    topics,
    paths: topics.map(topic => `/topics/${topic}`),
    wanted: subscriber => [topics[subscriber]!],
    readersPerEvent: 1,
    batch: 100,
  }
}

// Ten subscribers follow a site as a whole, and each of them one topic of each of the next two sites.
function patterns(size: number): Shape {
  const sites = size / 10
  const names = (at: number): string[] =>
    [1, 2].map(step => topicOf(((at % sites) + step) % sites, Math.floor(at / sites)))
  return {
    topics: topicsOfSites(sites),
    paths: Array.from({ length: size }, (_, at) => feedPath([...names(at), `${siteOf(at % sites)}/**`])),
    wanted: at => [...names(at), ...topicsOfSite(at % sites)],
    readersPerEvent: 12,
    batch: 4,
  }
}

// A site by pattern, and ten topics by name, each of another site: 20 of the 1,000 topics, for each of 10,000.
function crowd(size: number): Shape {
  const sites = size / 100
  const names = (at: number): string[] =>
    Array.from({ length: 10 }, (_, step) =>
      topicOf((at + 1 + step) % sites, (step + Math.floor(at / sites)) % 10),
    )
  return {
    topics: topicsOfSites(sites),
    paths: Array.from({ length: size }, (_, at) => feedPath([...names(at), `${siteOf(at % sites)}/*`])),
    wanted: at => [...names(at), ...topicsOfSite(at % sites)],
    readersPerEvent: 200,
    batch: 5,
  }
}

function topicsOfSites(sites: number): string[] {
  return Array.from({ length: sites }, (_, site) => topicsOfSite(site)).flat()
}

function topicsOfSite(site: number): string[] {
  return Array.from({ length: 10 }, (_, sensor) => topicOf(site, sensor))
}

function topicOf(site: number, sensor: number): string {
  return `${siteOf(site)}/${sensor}`
}

function siteOf(site: number): string {
  return `plants/${String(site).padStart(5, '0')}`
}

function feedPath(names: readonly string[]): string {
  return `/feed?${names.map(name => `topic=${name}`).join('&')}`
}
