// Asks the hub, with the operator's token; what it refuses becomes a `HubProblem`.

import { askForToken, authorization } from './credentials.ts'
import { parseJson } from './exact-json.ts'

/** The hub's own address: the page is at `inspector/` below it. */
export const HUB = new URL('../', location.href.split('#')[0])

export class HubProblem extends Error {
  /** 0: the hub was not reached. */
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, detail: string) {
    super(detail)
    this.status = status
    this.code = code
  }
}

export interface Asked {
  readonly method?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** `path` is relative to the hub. Errors: HubProblem; AbortError. */
export async function request(
  path: string,
  { method = 'GET', body, headers, signal }: Asked = {},
): Promise<Response> {
  const response = await reach(path, {
    method,
    headers: { ...headers, ...authorization() },
    cache: 'no-store',
    ...(body !== undefined && { body }),
    ...(signal !== undefined && { signal }),
  })
  if (response.ok) return response
  const problem = await problemOf(response)
  if (isAboutToken(path, problem)) askForToken(problem.message)
  throw problem
}

export async function requestJson<T>(path: string, asked: Asked = {}): Promise<T> {
  const response = await request(path, {
    ...asked,
    headers: { accept: 'application/json', ...asked.headers },
  })
  return parseJson(await response.text()) as T
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(new URL(path, HUB), init)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new HubProblem(0, '', 'The hub cannot be reached.')
  }
}

async function problemOf(response: Response): Promise<HubProblem> {
  const body = (await response.json().catch(() => ({}))) as { code?: string; detail?: string }
  return new HubProblem(
    response.status,
    body.code ?? '',
    body.detail ?? `The hub answered ${response.status}.`,
  )
}

// What may be published is the topic's affair; what the inspector shows, the operator's.
function isAboutToken(path: string, { status }: HubProblem): boolean {
  return status === 401 || (status === 403 && path.startsWith('inspector/'))
}
