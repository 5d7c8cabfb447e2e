// The query of a request.

export type QueryValue = string | number | readonly string[] | undefined

/** `?name=value&…`: a list is a parameter for each, and what is undefined is left out. */
export function queryOf(parameters: { readonly [name: string]: QueryValue }): string {
  const pairs = Object.entries(parameters).flatMap(([name, value = []]) =>
    [value].flat().map(each => `${name}=${encodeURIComponent(each)}`),
  )
  return `?${pairs.join('&')}`
}
