// Questions that each thread of a hub can answer only in part, such as who is connected: asked of all of them.

/** Puts a question to all other threads; those that do not answer are left out. */
export type AskElsewhere = (question: string, value: unknown) => Promise<unknown[]>

/** A question and its types. What is asked and answered must be what can be copied between threads. */
export interface Question<Asked, Answered> {
  readonly name: string
  /** Never there: it says the types. */
  readonly types?: (asked: Asked) => Answered
}

export class ThreadQuestions {
  readonly #answers = new Map<string, (value: never) => unknown>()
  readonly #askElsewhere: AskElsewhere

  constructor(askElsewhere: AskElsewhere) {
    this.#askElsewhere = askElsewhere
  }

  /** How this thread answers a question, perhaps by a promise. */
  answerWith<Asked, Answered>({ name }: Question<Asked, Answered>, answer: (asked: Asked) => Answered): void {
    this.#answers.set(name, answer)
  }

  /** The answers of all threads. */
  async ask<Asked, Answered>(
    { name }: Question<Asked, Answered>,
    asked: Asked,
  ): Promise<Awaited<Answered>[]> {
    const [own, others] = await Promise.all([this.answer(name, asked), this.#askElsewhere(name, asked)])
    return [own, ...others] as Awaited<Answered>[]
  }

  /** What this thread answers. */
  answer(name: string, asked: unknown): unknown {
    return this.#answers.get(name)?.(asked as never)
  }
}
