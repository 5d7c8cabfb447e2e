// A model's answers, token by token: each answer is one request to the hub, whose body grows as the answer does. Pages follow
// it live, and come back to it in the middle. `npm run example llm`.

import { randomUUID } from 'node:crypto'
import fastify from 'fastify'
import millrace from 'millrace'
import { listen, servePage } from '../support/serve-page.ts'
import { answerTo } from './model.ts'

const modelKey = `Bearer ${randomUUID()}`
const answering = new Set<string>()

const app = fastify()

// Whoever knows a conversation's id may read it: pages bring it as their token. Only the model's side may write.
await app.register(millrace, {
  prefix: '/hub',
  log: 'memory:',
  authorize({ headers: { authorization = '' } }) {
    if (authorization === modelKey) return { publish: ['conversations/*'] }
    const id = /^Bearer ([\w-]{36})$/.exec(authorization)?.[1]
    return id === undefined ? undefined : { receive: [`conversations/${id}`] }
  },
})

app.post<{ Params: { id: string }; Body: { text: string } }>(
  '/conversations/:id/questions',
  {
    schema: {
      params: { type: 'object', properties: { id: { type: 'string', format: 'uuid' } } },
      body: {
        type: 'object',
        required: ['text'],
        properties: { text: { type: 'string', pattern: '\\S', maxLength: 1000 } },
      },
    },
  },
  async (request, reply) => {
    const topic = `conversations/${request.params.id}`
    if (answering.has(topic)) return reply.code(409).send({ message: 'One question at a time.' })
    answering.add(topic)
    await app.hub.publish(topic, request.body.text, { type: 'question' })
    void answer(topic, request.body.text).finally(() => answering.delete(topic))
    return reply.code(202).send({})
  },
)

async function answer(topic: string, question: string): Promise<void> {
  const failed = await streamTokens(topic, question).then(
    () => false,
    (error: unknown) => {
      app.log.error(error)
      return true
    },
  )
  await app.hub.publish(topic, { failed }, { type: 'end' })
}

/** Each line of the body is an event as soon as the hub has read it, long before the request is over. */
async function streamTokens(topic: string, question: string): Promise<void> {
  const response = await fetch(`${app.listeningOrigin}/hub/topics/${topic}?type=token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', authorization: modelKey },
    body: ReadableStream.from(linesOf(answerTo(question))).pipeThrough(new TextEncoderStream()),
    duplex: 'half',
  })
  if (!response.ok) throw new Error(`the hub has refused the answer: ${await response.text()}`)
}

async function* linesOf(tokens: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  for await (const token of tokens) yield `${JSON.stringify(token)}\n`
}

await servePage(app, import.meta.dirname)
await listen(app)
