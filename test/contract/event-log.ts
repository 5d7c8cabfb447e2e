// The laws of src/log/event-log.ts, run on every backend. What a law leaves open (when a log trims, how it counts
// bytes) is left open here.

import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { RESET, type NewEvent, type Position, type StoredEvent, type Topic } from '../../src/event.ts'
import { RequestKey } from '../../src/log/append-key.ts'
import type { Appended, EventLog, PageLimit } from '../../src/log/event-log.ts'
import { intersection, selectorOf, type Selector } from '../../src/topic-pattern.ts'
import { eventLogModelContract } from './event-log-model.ts'

/** What a test asks of the log; the rest is to be large enough never to matter. */
export interface ContractOptions {
  readonly maxTopicEvents?: number
  readonly maxStateBytes?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export type OpenLog = (options: ContractOptions) => Promise<EventLog>

/** `modelRuns`: how many cases of the model are tried, for a log that takes its time to open. */
export function eventLogContract(name: string, open: OpenLog, modelRuns = 200): void {
  t.test(`the laws of an event log, kept by ${name}`, async t => {
    const test: DefineLaw = (title, law) => {
      t.test(title, async t => {
        await law(t, async options => {
          const log = await open(options)
          t.teardown(() => log.close())
          return log
        })
      })
    }
    orderLaws(test)
    tailLaws(test)
    wholenessLaws(test)
    keyLaws(test)
    lossLaws(test)
    stateLaws(test)
    resetLaws(test)
    readLaws(test)
    backLaws(test)
    topicLaws(test)
    test('whatever is appended and read, the laws hold', (t, openLog) =>
      eventLogModelContract(t, openLog, modelRuns))
  })
}

type DefineLaw = (title: string, law: (t: Test, open: OpenLog) => Promise<void>) => void

function orderLaws(test: DefineLaw): void {
  test('a log that is closed takes nothing more', async (t, open) => {
    const log = await open({})
    await log.append([text('a', '1')])
    await log.close()
    await t.rejects(log.append([text('a', '2')]), { code: 'MILLRACE_DRAINING' })
  })

  test('positions grow by one in the order of the appends, whatever the topic', async (t, open) => {
    const log = await open({})
    t.equal(log.head(), 0)
    const { last: first, added } = await log.append([text('a', '1')])
    t.ok(first > 0)
    t.equal(added, 1)
    t.same(await log.append([text('b', '2'), text('a', '3')]), { last: first + 2, added: 2 })
    t.same(await log.append([text('c', '4')]), { last: first + 3, added: 1 })
    t.equal(log.head(), first + 3)
    const { events } = await readAll(log, selectorOf(['**']))
    t.same(
      events.map(event => [event.position - first, event.topic, event.data]),
      [
        [0, 'a', '1'],
        [1, 'b', '2'],
        [2, 'a', '3'],
        [3, 'c', '4'],
      ],
    )
  })

  test('time never runs back, even where the clock does', async (t, open) => {
    let now = 1_800_000_000_000
    const log = await open({ now: () => now })
    for (const step of [0, 5, -1000, 3, -5]) {
      now += step
      await log.append([text('a', '')])
    }
    const times = (await readAll(log, selectorOf(['a']))).events.map(event => event.time)
    t.equal(times[1], 1_800_000_000_005)
    t.same(
      times,
      times.toSorted((one, other) => one - other),
    )
  })

  test('an event comes back as it was published', async (t, open) => {
    const log = await open({})
    const events: NewEvent[] = [
      { topic: 'a', data: '' },
      { topic: 'a', data: 'a\r\nb\rc\n\0\ufeff\u2028 😀', type: 'order placed' },
      { topic: 'ä/日本/😀', data: '{"a": 1}', isJson: true },
      { topic: 'a', data: 'x', isState: true, type: 'ä' },
      { topic: 'a', data: 'x'.repeat(1_000_000) },
    ]
    await log.append(events)
    const read = (await readAll(log, selectorOf(['**']))).events
    const plain = ({ topic, data, type, isJson, isState }: NewEvent): NewEvent => ({
      topic,
      data,
      type,
      isJson: isJson === true,
      isState: isState === true,
    })
    t.same(read.map(plain), events.map(plain))
  })

  test('each life of a log has its own epoch, which sorts after those before', async (t, open) => {
    const one = await open({ now: () => 1_800_000_000_000 })
    const other = await open({ now: () => 1_800_000_000_001 })
    t.match(one.epoch, /^[0-9a-z]{11}$/)
    t.ok(one.epoch < other.epoch)
  })
}

function tailLaws(test: DefineLaw): void {
  test('the tail hands over every event once, in order, when it can be read', async (t, open) => {
    const log = await open({})
    const seen: StoredEvent[] = []
    const reads: Promise<void>[] = []
    log.tail(events => {
      seen.push(...events)
      const { position } = events.at(-1)!
      t.ok(log.head() >= position, 'the head is not behind')
      reads.push(
        log
          .read(position - 1, selectorOf(['**']), { through: position, maxEvents: 1, maxBytes: 1 })
          .then(page => {
            t.equal(page.events[0]?.position, position, 'what is handed over is kept')
          }),
      )
    })
    await Promise.all(
      Array.from({ length: 60 }, (_, at) => log.append([text(`t/${at % 7}`, `${at}`), text('b', `${at}`)])),
    )
    await until(() => seen.length >= 120)
    await Promise.all(reads)
    t.equal(seen.length, 120)
    t.same(seen.map(withoutSource), (await readAll(log, selectorOf(['**']))).events.map(withoutSource))
  })

  test('a tail begins and ends where it is told to', async (t, open) => {
    const log = await open({})
    await log.append([text('a', 'before')])
    const [one, other]: [string[], string[]] = [[], []]
    const { last: before } = await log.append([])
    const { after, stop } = log.tail(events => one.push(...events.map(event => event.data)))
    log.tail(events => other.push(...events.map(event => event.data)))
    await log.append([text('a', 'during')])
    await until(() => one.length > 0 && other.length > 0)
    stop()
    await log.append([text('a', 'after')])
    await until(() => other.length > 1)
    t.equal(after, before)
    t.same(one, ['during'])
    t.same(other, ['during', 'after'])
  })
}

function wholenessLaws(test: DefineLaw): void {
  test('the events of one append stand together, however many appends are under way', async (t, open) => {
    const log = await open({})
    const batches = Array.from({ length: 50 }, (_, at) =>
      Array.from({ length: 1 + (at % 4) }, (_each, part) => text(`t/${part}`, `${at}`)),
    )
    const answers = await Promise.all(batches.map(batch => log.append(batch)))
    const { events } = await readAll(log, selectorOf(['**']))
    for (const [at, batch] of batches.entries()) {
      const { last, added } = answers[at]!
      t.equal(added, batch.length)
      const stored = events.filter(event => event.position > last - batch.length && event.position <= last)
      t.same(
        stored.map(event => [event.topic, event.data]),
        batch.map(event => [event.topic, event.data]),
      )
    }
    t.equal(events.length, batches.flat().length)
  })

  test('an append whose state does not fit leaves no trace', async (t, open) => {
    const log = await open({ maxStateBytes: 2000 })
    await log.append([state('a', 'kept')])
    const before = log.head()
    const tailed: StoredEvent[] = []
    log.tail(events => tailed.push(...events))
    const batch = [text('a', 'x'), state('b', 'y'), state('a', 'z'.repeat(3000)), text('c', 'x')]
    await t.rejects(log.append(batch), { code: 'MILLRACE_STATE_FULL' })
    t.equal(log.head(), before)
    t.same(
      (await readAll(log, selectorOf(['**']))).events.map(event => event.data),
      ['kept'],
    )
    t.same(
      (await states(log, selectorOf(['**']))).map(event => event.data),
      ['kept'],
    )
    await log.append([text('a', 'next')])
    await until(() => tailed.length > 0)
    t.same(
      tailed.map(event => event.data),
      ['next'],
    )
  })

  test('states never take more than they may, and are refused only when they would', async (t, open) => {
    const log = await open({ maxStateBytes: 4000 })
    await log.append([state('a', 'x'.repeat(3000))])
    const batch = [state('a', 'y'), state('a', 'y'.repeat(4000))]
    await t.rejects(
      log.append(batch),
      { code: 'MILLRACE_STATE_FULL' },
      'only the last state of a topic counts',
    )
    await log.append([state('a', 'z'.repeat(3000)), state('a', 'z'.repeat(3000))])
    await t.rejects(log.append([state('b', 'y'.repeat(1000))]), { code: 'MILLRACE_STATE_FULL' })
    await log.append([reset('a'), state('b', 'y'.repeat(3000))])
    t.ok(log.usage().stateBytes <= 4000)
    await log.append([state('b', 'y')])
    t.ok(log.usage().stateBytes < 1000)
  })
}

function keyLaws(test: DefineLaw): void {
  const append = (log: EventLog, events: readonly NewEvent[], value = 'k'): Promise<Appended> =>
    log.append(events, new RequestKey(value).next(events))

  test('an append that is repeated under its key stores nothing and answers the same', async (t, open) => {
    const log = await open({})
    const tailed: StoredEvent[] = []
    log.tail(events => tailed.push(...events))
    const { last } = await append(log, [text('a', '1'), text('b', '2')])
    await log.append([text('a', 'other')])
    t.same(await append(log, [text('a', '1'), text('b', '2')]), { last, added: 0 })
    t.equal(log.head(), last + 1)
    await log.append([text('a', 'last')])
    await until(() => tailed.at(-1)?.data === 'last')
    t.same(
      tailed.map(event => event.data),
      ['1', '2', 'other', 'last'],
    )
  })

  test('of two appends under one key at once, one is stored', async (t, open) => {
    const log = await open({})
    const answers = await Promise.all([1, 2, 3].map(() => append(log, [text('a', 'x')])))
    t.same(
      answers.map(answer => answer.added).toSorted((one, other) => one - other),
      [0, 0, 1],
    )
    t.equal(new Set(answers.map(answer => answer.last)).size, 1)
    t.equal((await readAll(log, selectorOf(['a']))).events.length, 1)
  })

  test('a repeat that goes further than before stores what is new', async (t, open) => {
    const log = await open({})
    const events = ['0', '1', '2', '3', '4', '5'].map(data => text('a', data))
    const request = new RequestKey('k')
    const send = (piece: NewEvent[], from: RequestKey): Promise<Appended> =>
      log.append(piece, from.next(piece))
    const first = await send(events.slice(0, 2), request)
    await log.append([text('b', '')])
    const second = await send(events.slice(2, 4), request)
    t.same(second, { last: first.last + 3, added: 2 })
    // The client was cut off, and sends the whole again, in other pieces.
    const again = new RequestKey('k')
    t.same(await send(events.slice(0, 1), again), { last: second.last, added: 0 })
    t.same(await send(events.slice(1, 3), again), { last: second.last, added: 0 })
    t.same(await send(events.slice(3), again), { last: second.last + 2, added: 2 })
    t.same(await append(log, events), { last: second.last + 2, added: 0 })
    t.same(
      (await readAll(log, selectorOf(['a']))).events.map(event => event.data),
      ['0', '1', '2', '3', '4', '5'],
    )
  })

  test('a key that stands for another event is refused', async (t, open) => {
    const log = await open({})
    const event = { topic: 'a', data: '1', type: 'x' }
    await append(log, [event])
    const others = [
      { ...event, data: '2' },
      { ...event, topic: 'b' },
      { ...event, type: 'y' },
      { ...event, isState: true },
    ]
    for (const other of others) await t.rejects(append(log, [other]), { code: 'MILLRACE_KEY_REUSED' })
    t.equal((await readAll(log, selectorOf(['**']))).events.length, 1)
    t.same((await append(log, [event], 'l')).added, 1, 'another key is another matter')
  })

  test('a key that stands for other events is refused, if only a later one differs', async (t, open) => {
    const log = await open({})
    const [a, b, c] = [text('a', 'a'), text('a', 'b'), text('a', 'c')]
    await append(log, [a, b])
    await t.rejects(append(log, [a, c]), { code: 'MILLRACE_KEY_REUSED' })
    await t.rejects(append(log, [a, c, b]), { code: 'MILLRACE_KEY_REUSED' })
    t.equal((await readAll(log, selectorOf(['a']))).events.length, 2)
    t.equal((await append(log, [a, b, c])).added, 1)
  })

  test('an append that was refused does not use its key up', async (t, open) => {
    const log = await open({ maxStateBytes: 2000 })
    const [large, small] = [state('a', 'x'.repeat(1500)), state('b', 'y'.repeat(1000))]
    await log.append([large])
    await t.rejects(append(log, [small]), { code: 'MILLRACE_STATE_FULL' })
    await log.append([reset('a')])
    t.equal((await append(log, [small])).added, 1)
    t.equal((await append(log, [small])).added, 0)
  })

  test('nothing can be appended, with or without a key', async (t, open) => {
    const log = await open({})
    const { last } = await log.append([text('a', '')])
    t.same(await log.append([]), { last, added: 0 })
    t.same(await append(log, []), { last, added: 0 })
    t.equal((await append(log, [text('a', '')])).added, 1)
  })
}

function lossLaws(test: DefineLaw): void {
  test('while nothing is lost, nothing is said to be', async (t, open) => {
    const log = await open({ maxTopicEvents: 100 })
    await log.append([text('a', ''), text('b', ''), state('a', '')])
    for (const names of [['a'], ['a', 'b'], ['*'], ['none']]) {
      t.equal(await log.lostThrough(selectorOf(names)), 0)
      t.equal((await readAll(log, selectorOf(names))).lostThrough, 0)
    }
  })

  test('what one topic lost is known to the position, and is no concern of other topics', async (t, open) => {
    const log = await open({ maxTopicEvents: 10 })
    for (let at = 0; at < 50; at++) await log.append([text('a', `${at}`), text('b', '')])
    await log.append([text('c', '')])
    await until(async () => (await log.lostThrough(selectorOf(['a']))) > 0)
    const { events, lostThrough } = await readAll(log, selectorOf(['a']))
    t.ok(events.length < 50)
    // `b` stands between any two events of `a`.
    t.equal(lostThrough, events[0]!.position - 2)
    t.same(
      events.map(event => event.data),
      Array.from({ length: 50 }, (_, at) => `${at}`).slice(-events.length),
    )
    t.equal(await log.lostThrough(selectorOf(['c'])), 0)
    t.equal(await log.lostThrough(selectorOf(['none'])), 0)
  })

  test('whoever has read what was lost is not told of it', async (t, open) => {
    const log = await open({ maxTopicEvents: 10 })
    for (let at = 0; at < 50; at++) await log.append([text('a', '')])
    await until(async () => (await log.lostThrough(selectorOf(['a']))) > 0)
    const lost = await log.lostThrough(selectorOf(['a']))
    t.equal((await log.read(lost, selectorOf(['a']), limit(log))).lostThrough, 0)
    const before = await log.read(lost - 1, selectorOf(['a']), limit(log))
    t.equal(before.lostThrough, lost)
    t.equal(before.events[0]?.position, lost + 1)
  })

  test('several topics and patterns are told of the newest loss among them', async (t, open) => {
    const log = await open({ maxTopicEvents: 10 })
    for (let at = 0; at < 40; at++) await log.append([text('x/a', ''), text('x/b', ''), text('y', '')])
    const each = async (names: string[]): Promise<Position> => log.lostThrough(selectorOf(names))
    await until(async () => (await each(['x/a'])) > 0 && (await each(['x/b'])) > 0 && (await each(['y'])) > 0)
    // Of one topic it is known exactly; nothing is appended meanwhile, so it stays as it is.
    const newest = Math.max(await each(['x/a']), await each(['x/b']))
    for (const names of [['x/*'], ['x/a', 'x/b'], ['x/a', 'x/b', 'none/**'], ['**']]) {
      t.ok((await each(names)) >= newest, names.join())
      t.ok((await log.read(0, selectorOf(names), limit(log))).lostThrough >= newest, names.join())
    }
  })
}

function stateLaws(test: DefineLaw): void {
  test("a topic's state is found among many", async (t, open) => {
    const log = await open({})
    await log.append(Array.from({ length: 9000 }, (_, at) => state(`other/${at}`, '')))
    await log.append([state('mine', 'here')])
    const page = await log.readStates(0, selectorOf(['mine']), { ...limit(log), onlyGone: false })
    t.same(
      page.events.map(event => event.data),
      ['here'],
      'in the first page',
    )
    // A pattern may take several pages, and the first of them be empty.
    const found: string[] = []
    for (let after = 0; after < log.head();) {
      const next = await log.readStates(after, selectorOf(['mine/**']), { ...limit(log), onlyGone: false })
      t.ok(next.position > after)
      found.push(...next.events.map(event => event.data))
      after = next.position
    }
    t.same(found, ['here'])
  })

  test('states come in the order they were set, a page at a time', async (t, open) => {
    const log = await open({})
    for (let at = 0; at < 20; at++) await log.append([state(`s/${at % 10}`, `${at}`), text('s/0', '')])
    await log.append([state('other', '')])
    const all = await states(log, selectorOf(['s/*']))
    t.same(
      all.map(event => event.data),
      ['10', '11', '12', '13', '14', '15', '16', '17', '18', '19'],
    )
    t.ok(all.every(event => event.isState === true))
    const paged: StoredEvent[] = []
    for (let after = 0; after < log.head();) {
      const page = await log.readStates(after, selectorOf(['s/*']), {
        ...limit(log),
        maxEvents: 3,
        onlyGone: false,
      })
      t.ok(page.events.length <= 3 && page.position > after && page.lostThrough === 0)
      paged.push(...page.events)
      after = page.position
    }
    t.same(paged.map(withoutSource), all.map(withoutSource))
    const [from, through] = [all[2]!.position, all[5]!.position]
    const some = await log.readStates(from, selectorOf(['s/*']), { ...limit(log), through, onlyGone: false })
    t.same(
      some.events.map(event => event.data),
      ['13', '14', '15'],
    )
    const one = await log.readStates(0, selectorOf(['s/*']), { ...limit(log), maxBytes: 1, onlyGone: false })
    t.same(
      one.events.map(event => event.data),
      ['10'],
    )
  })

  test('a state is an event too, and outlives it', async (t, open) => {
    const log = await open({ maxTopicEvents: 10 })
    const { last } = await log.append([state('a', 'set')])
    await log.append([state('b', 'kept')])
    const gone = async (): Promise<string[]> =>
      (await states(log, selectorOf(['**']), true)).map(event => event.data)
    t.same(await gone(), [], 'while the history has it, it is not gone')
    t.equal((await readAll(log, selectorOf(['a']))).events[0]?.data, 'set')
    for (let at = 0; at < 50; at++) await log.append([text('a', '')])
    await until(async () => (await log.lostThrough(selectorOf(['a']))) >= last)
    t.same(await gone(), ['set'])
    t.same(
      (await states(log, selectorOf(['**']))).map(event => event.data),
      ['set', 'kept'],
    )
    await log.append([state('a', 'set anew')])
    t.same(await gone(), [])
    t.same(
      (await states(log, selectorOf(['a']))).map(event => event.data),
      ['set anew'],
    )
  })
}

function resetLaws(test: DefineLaw): void {
  test('a reset forgets the topic, and nothing is lost by it', async (t, open) => {
    const log = await open({})
    const tailed: StoredEvent[] = []
    log.tail(events => tailed.push(...events))
    await log.append([text('a', '1'), state('a', '2'), text('b', '3'), state('b', '4')])
    const { last } = await log.append([reset('a')])
    await until(() => tailed.length >= 5)
    t.equal(tailed.at(-1)?.type, RESET)
    const { events, lostThrough } = await readAll(log, selectorOf(['a']))
    t.same(
      events.map(event => [event.type, event.position]),
      [[RESET, last]],
    )
    t.equal(lostThrough, 0)
    t.same(
      (await states(log, selectorOf(['**']))).map(event => event.data),
      ['4'],
    )
    t.equal(await log.topic('a'), undefined)
    t.same(
      (await log.topics('', selectorOf(['**']), 10)).map(summary => summary.topic),
      ['b'],
    )
    await log.append([text('a', 'anew')])
    const summary = await log.topic('a')
    t.same(
      [summary?.events, summary?.first, summary?.last, summary?.state],
      [1, last + 1, last + 1, undefined],
    )
  })

  test('a reset that is lost itself is announced', async (t, open) => {
    const log = await open({ maxTopicEvents: 10 })
    await log.append([text('a', '1')])
    const { last } = await log.append([reset('a')])
    for (let at = 0; at < 50; at++) await log.append([text('a', '')])
    await until(async () => (await log.lostThrough(selectorOf(['a']))) >= last)
    t.ok((await log.read(last - 1, selectorOf(['a']), limit(log))).lostThrough >= last)
  })
}

function readLaws(test: DefineLaw): void {
  const wide = Array.from({ length: 150 }, (_, at) => `w/${at}`)
  const selections = {
    one: ['w/7'],
    few: ['w/7', 'w/8', 'none'],
    many: wide,
    pattern: ['w/*'],
    mixed: ['*/8', 'w/7', 'b'],
  }

  test('pages of any size add up to the whole, of one topic, many, and patterns', async (t, open) => {
    const log = await open({})
    for (let at = 0; at < 900; at += 3) {
      await log.append(
        [0, 1, 2].map(part => text(`w/${(at + part) % 150}`, `${at + part}`)).concat(text('b', '')),
      )
    }
    const all = (await readAll(log, selectorOf(['**']))).events
    t.equal(all.length, 1200)
    for (const names of Object.values(selections)) {
      const selector = selectorOf(names)
      const expected = all.filter(event => selector.matches(event.topic)).map(event => event.position)
      for (const size of [
        { maxEvents: 1000 },
        { maxEvents: 7 },
        { maxBytes: 1 },
        { maxEvents: 1 },
        { maxBytes: 2000 },
      ]) {
        const { events } = await readAll(log, selector, size)
        t.same(
          events.map(event => event.position),
          expected,
        )
      }
    }
  })

  test('a page keeps to its range', async (t, open) => {
    const log = await open({})
    for (let at = 0; at < 300; at++) await log.append([text(`w/${at % 150}`, '')])
    const all = (await readAll(log, selectorOf(['w/*']))).events.map(event => event.position)
    for (const names of Object.values(selections)) {
      const selector = selectorOf(names)
      const [after, through] = [all[50]!, all[200]!]
      const expected = (await readAll(log, selector)).events.filter(
        each => each.position > after && each.position <= through,
      )
      const { events } = await readAll(log, selector, { after, through })
      t.same(events.map(withoutSource), expected.map(withoutSource))
      const empty = await log.read(through, selector, { ...limit(log), through: after })
      t.same(
        [empty.events.length, empty.position],
        [0, through],
        'a range that is past yields nothing and moves nothing',
      )
      const none = await log.read(after, selectorOf(['none']), { ...limit(log), through })
      t.equal(none.position, through, 'the cursor runs ahead where nothing matches')
    }
  })

  test('a page ends with the event that reaches its size, and holds one however large', async (t, open) => {
    const log = await open({})
    for (let at = 0; at < 30; at++) await log.append([text('a', 'x'.repeat(1000)), text('b', '')])
    for (const names of [['a'], ['a', 'b'], ['*'], wide.concat('a')]) {
      const selector = selectorOf(names)
      const sized = await log.read(0, selector, { ...limit(log), maxBytes: 5000 })
      const bytes = sized.events.reduce((sum, event) => sum + event.data.length, 0)
      // How much an event counts beyond its data is the log's affair, but not more than it holds again.
      t.ok(bytes >= 2000 && bytes <= 6000, `${bytes} bytes`)
      t.equal((await log.read(0, selector, { ...limit(log), maxBytes: 1 })).events.length, 1)
      t.equal((await log.read(0, selector, { ...limit(log), maxEvents: 4 })).events.length, 4)
    }
  })
}

function backLaws(test: DefineLaw): void {
  const large = { maxEvents: 1000, maxBytes: 1e9 }

  test('pages of any size that lead back add up to the history of the topic', async (t, open) => {
    const log = await open({})
    for (let at = 0; at < 200; at++) await log.append([text('a', `${at}`), state('b', `${at}`)])
    const { events } = await readAll(log, selectorOf(['a']))
    for (const size of [{ maxEvents: 7 }, { maxEvents: 200 }, { maxBytes: 1 }, { maxBytes: 2000 }, {}]) {
      const back = await wayBack(log, 'a', { ...large, ...size })
      t.same(back.map(withoutSource), events.map(withoutSource), JSON.stringify(size))
    }
    t.same(await log.readBack(log.head() + 1, 'none', large), { events: [], hasOlder: false })
  })

  test('a page that leads back holds the newest events before a position, in order', async (t, open) => {
    const log = await open({})
    for (let at = 0; at < 30; at++) await log.append([text('a', `${at}`), text('b', '')])
    const positions = (await readAll(log, selectorOf(['a']))).events.map(event => event.position)
    const back = async (
      before: Position,
      maxEvents: number,
    ): Promise<[data: string[], hasOlder: boolean]> => {
      const page = await log.readBack(before, 'a', { ...large, maxEvents })
      return [page.events.map(event => event.data), page.hasOlder]
    }
    t.same(await back(log.head() + 1, 3), [['27', '28', '29'], true])
    t.same(await back(positions[27]!, 3), [['24', '25', '26'], true])
    t.same(await back(positions[27]! + 1, 3), [['25', '26', '27'], true], 'an event of another topic will do')
    t.same(await back(positions[3]!, 3), [['0', '1', '2'], false])
    t.same(await back(positions[2]!, 3), [['0', '1'], false])
    t.same(await back(positions[0]!, 3), [[], false])
    t.same(await back(0, 3), [[], false])
  })

  test('a page that leads back ends with the event that reaches its size', async (t, open) => {
    const log = await open({})
    for (let at = 0; at < 30; at++) await log.append([text('a', 'x'.repeat(1000)), text('b', '')])
    await log.append([text('a', 'y'.repeat(100_000))])
    const before = log.head() + 1
    const { events } = await log.readBack(before, 'a', { ...large, maxBytes: 5000 })
    t.same(
      events.map(event => event.data.length),
      [100_000],
      'it holds one, however large',
    )
    const next = await log.readBack(before - 1, 'a', { ...large, maxBytes: 5000 })
    t.ok(next.events.length >= 2 && next.events.length <= 5, `${next.events.length} events`)
    t.ok(next.hasOlder)
  })

  test('the way back ends where the history begins by now', async (t, open) => {
    const log = await open({ maxTopicEvents: 20 })
    for (let at = 0; at < 20; at++) await log.append([text('a', `${at}`)])
    const page = await log.readBack(log.head() + 1, 'a', { ...large, maxEvents: 5 })
    const before = page.events[0]!.position
    t.ok(page.hasOlder)
    for (let at = 20; at < 50; at++) await log.append([text('a', `${at}`)])
    await until(async () => (await log.lostThrough(selectorOf(['a']))) >= before)
    t.same(await log.readBack(before, 'a', large), { events: [], hasOlder: false })
    const { events } = await readAll(log, selectorOf(['a']))
    t.same(
      (await wayBack(log, 'a', { ...large, maxEvents: 5 })).map(withoutSource),
      events.map(withoutSource),
    )
  })

  test('the way back ends with the reset of the topic', async (t, open) => {
    const log = await open({})
    await log.append([text('a', '1'), state('a', '2')])
    const { last } = await log.append([reset('a')])
    t.same(await log.readBack(last, 'a', large), { events: [], hasOlder: false })
    await log.append([text('a', '3'), text('a', '4')])
    const back = await wayBack(log, 'a', { ...large, maxEvents: 1 })
    t.same(
      back.map(event => event.position),
      [last, last + 1, last + 2],
    )
    t.equal(back[0]?.type, RESET)
  })
}

function topicLaws(test: DefineLaw): void {
  test('a topic is summed up while anything is kept of it', async (t, open) => {
    const now = 1_800_000_000_000
    const log = await open({ now: () => now })
    t.equal(await log.topic('a'), undefined)
    const { last: first } = await log.append([text('a', 'x'.repeat(500))])
    await log.append([text('b', ''), state('a', 'y'), text('a', 'z')])
    const { bytes, ...summary } = (await log.topic('a'))!
    t.same(summary, { topic: 'a', events: 3, first, last: first + 3, state: first + 2, time: now })
    t.ok(bytes >= 502)
    t.equal((await log.topic('b'))?.state, undefined)
    t.equal(await log.topic('*'), undefined)
    const usage = log.usage()
    t.same([usage.topics, usage.events], [2, 4])
    t.ok(usage.bytes >= 502 && usage.stateBytes >= 1)
  })

  test('topics are listed by name in code point order, a page at a time', async (t, open) => {
    const log = await open({})
    // In UTF-16 the last two would stand the other way round.
    const names = ['A', 'a', 'a/b', 'a0', 'b', 'ä', '日本', '\uff5e', '😀'].map(name => `n/${name}`)
    for (const topic of names.toReversed()) await log.append([text(topic, '')])
    await log.append([state('other', '')])
    const listed = async (after: Topic, most: number, pattern = 'n/**'): Promise<Topic[]> =>
      (await log.topics(after, selectorOf([pattern]), most)).map(summary => summary.topic)
    t.same(await listed('', 100), names)
    t.same(await listed('', 3), names.slice(0, 3))
    t.same(await listed(names[2]!, 3), names.slice(3, 6))
    t.same(await listed('n/a00', 2), names.slice(4, 6), 'the name to go on from need not be there')
    t.same(await listed(names.at(-1)!, 10), [])
    t.same(await listed('', 10, 'other'), ['other'])
    t.same(
      await listed('', 10, 'n/*'),
      names.filter(name => name.split('/').length === 2),
    )
    const granted = intersection(selectorOf(['n/**']), selectorOf(['other', 'n/a/*', 'n/b']))
    t.same(
      (await log.topics('', granted, 10)).map(({ topic }) => topic),
      ['n/a/b', 'n/b'],
      'what both selectors want',
    )
    const [summary] = await log.topics('', selectorOf(['other']), 1)
    t.same(summary, await log.topic('other'))
  })
}

function text(topic: Topic, data: string): NewEvent {
  return { topic, data }
}

function state(topic: Topic, data: string): NewEvent {
  return { topic, data, isState: true }
}

function reset(topic: Topic): NewEvent {
  return { topic, data: JSON.stringify({ topic }), type: RESET, isJson: true }
}

/** What the law speaks of; a log may hand out objects that hold more. */
function withoutSource({ position, topic, data, type, time }: StoredEvent): object {
  return { position, topic, data, type, time }
}

function limit(log: EventLog): { through: Position; maxEvents: number; maxBytes: number } {
  return { through: log.head(), maxEvents: 10_000, maxBytes: 100_000_000 }
}

async function readAll(
  log: EventLog,
  selector: Selector,
  options: { after?: Position; through?: Position; maxEvents?: number; maxBytes?: number } = {},
): Promise<{ events: StoredEvent[]; lostThrough: Position }> {
  const { after = 0, ...bounds } = { ...limit(log), ...options }
  const events: StoredEvent[] = []
  let lostThrough = 0
  for (let position = after; position < bounds.through;) {
    const page = await log.read(position, selector, bounds)
    if (page.position <= position) throw new Error(`no progress after ${position}`)
    events.push(...page.events)
    lostThrough = Math.max(lostThrough, page.lostThrough)
    position = page.position
  }
  return { events, lostThrough }
}

/** All events of the topic, in order, read from the newest to the first. */
async function wayBack(log: EventLog, topic: Topic, size: PageLimit): Promise<StoredEvent[]> {
  const events: StoredEvent[] = []
  for (let before = log.head() + 1, hasOlder = true; hasOlder;) {
    const page = await log.readBack(before, topic, size)
    if (page.events.length > size.maxEvents) throw new Error('a page is too long')
    if (page.hasOlder && !(page.events[0]!.position < before)) throw new Error(`no progress before ${before}`)
    events.unshift(...page.events)
    before = events[0]?.position ?? 0
    hasOlder = page.hasOlder
  }
  return events
}

async function states(log: EventLog, selector: Selector, onlyGone = false): Promise<readonly StoredEvent[]> {
  const page = await log.readStates(0, selector, { ...limit(log), onlyGone })
  if (page.position < log.head()) throw new Error('the states are more than a page')
  return page.events
}

/** A log may trim, and tell its tails, a moment later. The runner's timeout ends it when it does not. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await turn()
}
