// What a request says about content codings: whether its answer may be gzip.

/**
 * Whether the client would rather have gzip than nothing, or likes both alike. (RFC 9110, section 12.5.3. Without the
 * header any coding is allowed; but who does not name one may not expect it.)
 */
export function acceptsGzip(header: string | undefined): boolean {
  if (header === undefined) return false
  const qualities = new Map(header.split(',').map(parseCoding))
  const others = qualities.get('*')
  const gzip = qualities.get('gzip') ?? qualities.get('x-gzip') ?? others ?? 0
  return gzip > 0 && gzip >= (qualities.get('identity') ?? 0)
}

function parseCoding(text: string): [coding: string, quality: number] {
  const [coding = '', ...parameters] = text.split(';').map(part => part.trim().toLowerCase())
  const q = parameters.find(parameter => parameter.startsWith('q='))?.slice(2)
  if (q === undefined) return [coding, 1]
  // What is no quality value says nothing good.
  return [coding, /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(q) ? Number(q) : 0]
}
