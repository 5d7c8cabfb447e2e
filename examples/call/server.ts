// Calls between two people who share a link. The hub carries what their browsers have to tell each other before they can
// connect (offers, answers, candidates); sound and picture go directly. `npm run example call`.

import { randomUUID } from 'node:crypto'
import fastify from 'fastify'
import millrace from 'millrace'
import { listen, servePage } from '../support/serve-page.ts'

type Side = 'a' | 'b'

interface Seat {
  readonly room: string
  readonly side: Side
  readonly takenAt: number
}

// Whoever has a seat and does not follow the call after this time has gone.
const TO_CONNECT_MS = 5000

const appKey = `Bearer ${randomUUID()}`
/** By the tokens that their holders bring. */
const seats = new Map<string, Seat>()

const app = fastify()

// A seat's holder speaks on the topic of its side, and hears both.
await app.register(millrace, {
  prefix: '/hub',
  log: 'memory:',
  logMaxTopicEvents: 1000,
  authorize({ headers: { authorization = '' } }) {
    if (authorization === appKey) return { receive: ['calls/**'], presence: ['calls/**'] }
    const seat = seats.get(authorization.replace('Bearer ', ''))
    if (seat === undefined) return undefined
    const { room, side } = seat
    const sides = [`calls/${room}/a`, `calls/${room}/b`]
    return { publish: [`calls/${room}/${side}`], receive: sides, presence: sides, name: side }
  },
})

// A page that was reloaded brings the token of the seat that it has.
app.post<{ Params: { room: string }; Body: { token?: string } }>(
  '/calls/:room/seat',
  {
    schema: {
      params: { type: 'object', properties: { room: { type: 'string', format: 'uuid' } } },
      body: { type: 'object', properties: { token: { type: 'string' } } },
    },
  },
  async (request, reply) => {
    const { room } = request.params
    const { token: kept = '' } = request.body
    const own = seats.get(kept)
    if (own?.room === room) return { side: own.side, token: kept }
    const present = await sidesPresent(room)
    const side = (['a', 'b'] as const).find(each => !present.has(each) && !isFresh(room, each))
    if (side === undefined) return reply.code(409).send({ message: 'The call is full.' })
    // Whoever had it is gone, and has to take another one to come back.
    for (const [token, seat] of seats) if (seat.room === room && seat.side === side) seats.delete(token)
    const token = randomUUID()
    seats.set(token, { room, side, takenAt: Date.now() })
    return { side, token }
  },
)

app.delete<{ Params: { token: string } }>('/seats/:token', (request, reply) => {
  seats.delete(request.params.token)
  return reply.code(204).send()
})

/** Who follows the call, as the hub knows. */
async function sidesPresent(room: string): Promise<ReadonlySet<string>> {
  const url = `/hub/topics/calls/${room}/a/subscribers`
  const answer = await app.inject({ url, headers: { authorization: appKey } })
  const { subscribers } = answer.json<{ subscribers: { name: string }[] }>()
  return new Set(subscribers.map(({ name }) => name))
}

function isFresh(room: string, side: Side): boolean {
  const since = Date.now() - TO_CONNECT_MS
  return [...seats.values()].some(seat => seat.room === room && seat.side === side && seat.takenAt > since)
}

await servePage(app, import.meta.dirname)
await listen(app)
