// What every refusal must look like (RFC 9457), whatever the protocol it came over.

import type { Test } from 'tap'
import { ERRORS, type ErrorCode } from '../../src/errors.ts'

export interface Problem {
  readonly detail: string
  readonly line?: number
  readonly published?: number
}

interface Refusal {
  readonly status: number
  readonly headers: { readonly [name: string]: unknown } | { get(name: string): string | null }
  text: string | (() => Promise<string>)
}

/** Asserts that the answer is the problem document of this error; returns the document. */
export async function expectProblem(t: Test, answer: Refusal, code: ErrorCode): Promise<Problem> {
  const { headers } = answer
  const type =
    typeof headers.get === 'function' ? headers.get('content-type') : Object(headers)['content-type']
  const text = typeof answer.text === 'string' ? answer.text : await answer.text()
  t.match(type, /^application\/problem\+json(; charset=utf-8)?$/, `${code}: the media type`)
  const problem = (text.startsWith('{') ? JSON.parse(text) : { text }) as Problem
  const { status, title } = ERRORS[code]
  t.match(problem, { code, status, title, type: `/errors#${code}`, detail: /\S/ })
  t.equal(answer.status, status, `${code}: the status`)
  return problem
}
