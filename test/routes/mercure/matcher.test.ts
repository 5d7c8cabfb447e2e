// Matchers against what Mercure's drafts and the author's hub say, and URL patterns against the platform's own.

import fc from 'fast-check'
import t, { type Test } from 'tap'
import { MAX_EXPRESSION_WEIGHT } from '../../../src/routes/mercure/linear-expression.ts'
import { matcherFault, matcherOf, type MatchType } from '../../../src/routes/mercure/matcher.ts'
import { templateExpression } from '../../../src/routes/mercure/uri-template.ts'
import { MAX_PROTOCOL_PATTERN_LENGTH, urlPatternTest } from '../../../src/routes/mercure/url-pattern.ts'
import { holds } from '../../support/properties.ts'

const base = 'https://hub.example/.well-known/mercure'

const words = (text: string): string[] => text.split(' ')

function matches(type: MatchType, value: string, topic: string): boolean | undefined {
  return matcherOf(type, value, base)?.matches(topic)
}

/** Checks, for each value, the topics it matches and those it does not. */
function checkAll(t: Test, type: MatchType, rows: Record<string, [string[], string[]]>): void {
  for (const [value, [wanted, unwanted]] of Object.entries(rows)) {
    for (const topic of wanted) t.equal(matches(type, value, topic), true, `${value} matches ${topic}`)
    for (const topic of unwanted)
      t.equal(matches(type, value, topic), false, `${value} does not match ${topic}`)
  }
}

t.test('* matches everything, whatever its type', async t => {
  for (const type of ['exact', 'urlpattern', 'selector'] as const) {
    const matcher = matcherOf(type, '*', base)
    t.match(matcher, { type, value: '*', isAny: true, topic: undefined })
    for (const topic of ['', '*', 'https://e/a', 'not a URL: http://[', '\u{1F600}'])
      t.equal(matcher?.matches(topic), true)
  }
})

t.test('an exact matcher compares texts as they are', async t => {
  checkAll(t, 'exact', {
    'https://e/a': [['https://e/a'], ['https://e/A', 'HTTPS://e/a', 'https://e/./a', 'https://e/a#', '*']],
    'https://e/{id}': [['https://e/{id}'], ['https://e/1']],
    '': [[''], [' ']],
  })
  t.match(matcherOf('exact', 'https://e/a', base), { isAny: false, topic: 'https://e/a' })
})

t.test('a selector with a template matches what the template stands for', async t => {
  checkAll(t, 'selector', {
    'https://e/{id}': [
      ['https://e/', 'https://e/1', 'https://e/1,2', 'https://e/%2F', 'https://e/%2f', 'https://e/-._~'],
      ['https://e/a/b', 'https://e/a:b', 'https://e/é', 'https://e/a b', 'https://e/%2', 'https://E/1', 'x'],
    ],
    'https://e/{a}{b}': [['https://e/', 'https://e/12'], ['https://e/1/2']],
    '/subs{/a}{/b}': [
      ['/subs', '/subs/x', '/subs/x/y', '/subs/', '/subs//'],
      ['/subs/x/y/z', '/subsx/y/z', '/sub'],
    ],
    '/{a,b}': [
      ['/', '/1', '/1,2', '/1,2,3,4'],
      ['/a=1', '/1;2'],
    ],
    '/{a:3}': [['/1', '/12345'], []],
    '/{a*}': [['/', '/x=1', '/x=1,y=2,z=3'], ['/x=1&y=2']],
    '/{b,a*}': [['/1,a=2,b=3'], ['/b=1,a=2']],
    '/{+path}': [
      ['/', '/a/b?c=d#e[f]@:', "/!$&'()*+,;="],
      ['/"', '/a b', '/é', '/%zz'],
    ],
    '/{#frag}': [
      ['/', '/#', '/#a/b'],
      ['/a', '/a#b'],
    ],
    '/f{.ext}': [
      ['/f', '/f.', '/f.a', '/f.a.b.c'],
      ['/fa', '/f/a'],
    ],
    '/{;a,b}': [
      ['/', '/;x=1', '/;x=1;y', '/;'],
      ['/;x=1;y;z', '/x'],
    ],
    '/s{?topic}': [
      ['/s', '/s?', '/s?anything=1', '/s?a=1,2'],
      ['/s?a=1&b=2', '/s&a=1', '/s?a=/'],
    ],
    '/s{?a,b}': [['/s?x=1', '/s?x=1&y=2'], ['/s?x=1&y=2&z=3']],
    '/s{?a*}': [['/s?x=1&y=2&z=3'], ['/s&x=1']],
    '/s?x=1{&a,b}': [
      ['/s?x=1', '/s?x=1&a=2&b=3'],
      ['/s?x=1&a=2&b=3&c=4', '/s?x=1?a'],
    ],
    'é.+{x}$': [
      ['é.+$', 'é.+a$'],
      ['éxx$', 'é.+'],
    ],
    '{x}': [['', 'a'], ['/']],
    '{a}%41{b}': [
      ['%41', 'x%41%42'],
      ['A', '%4'],
    ],
  })
})

t.test('a template matches its own text, and has no one topic', async t => {
  const matcher = matcherOf('selector', 'https://e/{id}', base)
  t.equal(matcher?.matches('https://e/{id}'), true)
  t.equal(matcher?.matches('https://e/{ID}'), false)
  t.equal(matcher?.topic, undefined)
})

t.test('a selector that is no template matches itself only', async t => {
  const values = [
    ...words('https://e/a } {a}" {a}< {a}> {a}^ {a}` {a}| {a}} {a}\\ {a}%4 {a}%zz { {a {} {a,} {,a}'),
    ...words('{a{b}} {?} {a..b} {.} {a.} {é} {a:} {a:0} {a:01} {a:10000} {a:3*} {a**} {a*:3}'),
    ...words('{=a} {,a} {!a} {@a} {|a} {$a} {(a}'),
    '',
    'a b',
    '{a} b',
    '{a b}',
    '{a}\n',
  ]
  for (const value of values) {
    t.equal(templateExpression(value), undefined, value)
    t.match(matcherOf('selector', value, base), { topic: value, isAny: false })
    t.ok(matches('selector', value, value), value)
    t.notOk(matches('selector', value, `${value}x`), value)
  }
})

t.test('names of variables may have dots and percent-encoded characters', async t => {
  for (const value of ['{a.b}', '{%41b}', '{a_1,b:9999,c*}', '{.a.b}', '{1}'])
    t.not(templateExpression(value), undefined, value)
})

t.test('a URL pattern that gives no more leaves the rest open', async t => {
  checkAll(t, 'urlpattern', {
    'https://example.com/books/:id': [
      [
        'https://example.com/books/1',
        'https://u:p@example.com/books/1?x=1#y',
        'https://EXAMPLE.com:443/books/1',
        'https://example.com/a/../books/1',
        'https:\\\\example.com\\books\\1',
        'https://example.com/books/a%2Fb',
        'https://example.com/books/é b',
      ],
      [
        'https://example.com/books/',
        'https://example.com/books/1/2',
        'https://example.com/Books/1',
        'https://example.com:8443/books/1',
        'http://example.com/books/1',
        'http://[',
      ],
    ],
    'https://example.com/é': [['https://example.com/%C3%A9'], ['https://example.com/%c3%a9']],
    'https://example.com/x?a=:v': [['https://example.com/x?a=1#y'], ['https://example.com/x?A=1']],
    'https://example.com?a': [['https://example.com/?a'], ['https://example.com/x?a']],
    'https://example.com#f': [['https://example.com/#f'], ['https://example.com/?q#f']],
    'https://:sub.example.com/*': [
      ['https://a.example.com/', 'https://a.example.com/b'],
      ['https://a.b.example.com/', 'https://example.com/'],
    ],
  })
})

t.test('a relative URL pattern or topic is one below the hub', async t => {
  checkAll(t, 'urlpattern', {
    '/books/:id': [
      ['/books/1', 'https://hub.example/books/1'],
      ['https://e/books/1', 'books/1'],
    ],
    'books/:id': [['books/1', '/.well-known/books/1'], ['/books/1']],
    'https://hub.example/.well-known/:x': [['foo'], ['/foo']],
  })
})

t.test('groups of URL patterns repeat and may be absent', async t => {
  checkAll(t, 'urlpattern', {
    '/a/:b?': [
      ['/a', '/a/1'],
      ['/a/', '/a/1/2'],
    ],
    '/a/:b+': [
      ['/a/1', '/a/1/2'],
      ['/a', '/a/', '/a//1'],
    ],
    '/a/:b*': [['/a', '/a/1/2'], ['/a/']],
    '/a{/b}?/c': [['/a/c', '/a/b/c'], ['/a/b/b/c']],
    '/a{/b:c.}+': [
      ['/a/b1.', '/a/b1./b2.'],
      ['/a', '/a/b1./2.'],
    ],
    '/(\\d{4})-:m(\\d\\d)': [['/2026-08'], ['/2026-8', '/26-08', '/2026-08-01']],
    '/(a|b)c': [
      ['/ac', '/bc'],
      ['/a', '/c', '/abc'],
    ],
    '/:a(^b.*$)': [[], ['/b1']],
    '/a(\\b.*)': [['/a', '/a/b'], ['/ab']],
    'http{s}?://e/*': [['http://e/', 'https://e/a/b'], ['httpss://e/']],
    '(https|wss)://e/*': [['https://e/', 'wss://e/'], ['http://e/']],
    'https://[\\:\\:1]/*': [['https://[::1]/', 'https://[0:0::1]/a'], ['https://[::2]/']],
    '*:*': [['urn:x:y', 'data:text/plain,a'], ['https://e:8080/']],
    'https://e:*/*': [['https://e/', 'https://e:8080/'], []],
  })
})

// Read beside the platform's own.
const patterns = [
  ...words(
    '/ /* /:a /:a/:b /:a?/b /:a+/b /:a* /a{/b}* /a{b}? {/a}+ /{:a/}*b /:a.:b /:a-:b? * ?a #h a/b ../:a',
  ),
  ...words(
    String.raw`/(\d+) /:n(\d+)/x /([^\/]+)-(.*) /((?:a|b)*) /a{\:b} /\* /%61/:b ./a?x *:* urn\:a urn\:{/}?* data\:*`,
  ),
  ...words(
    'https://e/* https://*.e/* https://:h/* https://e:*/a https://e:80{80}?/* *://e/* https://u:p@e/*',
  ),
  ...words(
    'https://:u@e/* https://e/?a=:b https://e/*?* https://e/a#:h http{s}?://e/a (ftp|https)://e/* :p://e',
  ),
  ...words(String.raw`https://[\:\:1]/* https://{:s.}?e/ x://h/:a x://h.:b/* https://É/é`),
  '',
  '/a b',
]
const topics = [
  ...words(
    '/ a b /a /b /a/b /a/b/b /a/b/ /ab /1 /12/x /a.b /a-b /a- /* /a:b /%61/b /a%20b ?a /?a #h ../a a/b ./a?x',
  ),
  ...words(
    'https://e https://e/a https://e:8080/a http://e/a ftp://e/ https://a.e/ https://a.b.e/ https://u:p@e/',
  ),
  ...words(
    'https://e/?a=1 https://e/a#x https://[::1]/a urn:a urn:x:y data:,a x://h/a x://h.a/b/c https://é/é',
  ),
  ...words('https://e// x: http://['),
  '',
]

t.test('URL patterns match as the platform says', async t => {
  for (const value of patterns) {
    const [own, platform] = [urlPatternTest(value, base), new URLPattern(value, base)]
    const differing = topics.filter(topic => own?.(topic) !== platform.test(topic, base))
    t.strictSame(differing, [], value)
  }
})

t.test('URL patterns of all kinds of pieces match as the platform says', async t => {
  const head = fc.constantFrom(
    '',
    '/',
    'https://e/',
    'https://*.e/',
    '*://e',
    'http{s}?://e/a',
    'urn\\:',
    'x://h',
  )
  const pieces = ['/', '/a', 'a', 'b', '.', ':x', ':y', '(a|b)', '([ab]+)', '*', '?', '+', '{', '}', '{/a}']
  const more = ['{/:z}', '{a:w/}', '\\.', '\\?', '?a=', '#', ':', '@', 'é', '1', ':v(\\d+)', '%20']
  const piece = fc.constantFrom(...pieces, ...more)
  const value = fc
    .tuple(head, fc.array(piece, { maxLength: 6 }))
    .map(([first, others]) => first + others.join(''))
  const suffix = fc.array(fc.constantFrom('/', 'a', 'b', '.', '1', '?a=', '#', '/a', '%20'), { maxLength: 6 })
  const topic = fc
    .tuple(fc.constantFrom('', '/', 'https://e/', 'https://a.e/', 'http://e/', 'urn:', 'x://h/'), suffix)
    .map(([first, others]) => first + others.join(''))
  const property = fc.property(value, fc.array(topic, { minLength: 10, maxLength: 20 }), (text, all) => {
    const own = urlPatternTest(text, base)
    let platform: URLPattern | undefined
    try {
      platform = new URLPattern(text, base)
    } catch {
      return own === undefined
    }
    return all.every(each => own?.(each) === platform.test(each, base))
  })
  await holds(t, property, { numRuns: 2000 })
})

t.test('what is no URL pattern, or what RE2 cannot decide, makes no matcher', async t => {
  const values = [
    ...words(
      'https://e/( https://e/{a https://e/:a/:a https://e/(?a) https://e/((a)) https://e/(é) http://[/',
    ),
    ...words(String.raw`/(a(?=b)) /((?!a).*) /((?<=a)b) /((?<!a)b) /((?<n>b)\k<n>) /(\u0061) /(a{1001})`),
    // Classes that RE2 would read as something else.
    ...words(String.raw`/([[a-z]--[aeiou]]) /([\w&&\d]) /([]) /([]a[x]) /([^]) /([\q{abc}])`),
  ]
  for (const value of values) t.equal(matcherOf('urlpattern', value, base), undefined, value)
  t.ok(matches('urlpattern', '/([\\[\\-\\-\\]]+)', '/[--]'), 'escaped, they are characters')
})

const long = (piece: string): string => piece.repeat(Math.floor(4_000 / piece.length))
const numbered = (piece: string): string => long(piece).replace(/#/g, (_, at: number) => at.toString(36))

t.test('what would take too long makes no matcher', async t => {
  const patternValues = [
    '(a{1000})',
    '((?:(?:a{1000}){1000}){1000})',
    `(${long('(?:a?)')})`,
    `(${long(String.raw`\p{L}`)})`,
    `*${long('a')}:b`,
    long('{a}?'),
    long('{ab}*'),
    `*a(.{${MAX_EXPRESSION_WEIGHT}})`,
    '*a(.{99,})',
    numbered('/:a#?'),
  ]
  for (const value of patternValues)
    t.equal(matcherOf('urlpattern', `https://e/${value}`, base), undefined, value)
  // The platform itself tries these while it reads them.
  for (const value of ['(.?.?.?.?.?.?.?.?.?.?.?.?.?x)', long('{*}'), '((?:.?){99}x)'])
    t.equal(matcherOf('urlpattern', `${value}://e/`, base), undefined, value)
  const templates = [
    long('{a}'),
    long('{/a}x'),
    `{/${long('a,')}a}`,
    `{?${long('a,')}b}`,
    `{+a}${long('a')}{b}`,
  ]
  for (const value of templates) t.equal(matcherOf('selector', value, base), undefined, value)
})

t.test('hostile matchers are read and tested in bounded time', async t => {
  const protocol = '((?:(?:.?.?.?.?)*)*)'
  t.equal(protocol.length, MAX_PROTOCOL_PATTERN_LENGTH)
  const values: [MatchType, string][] = [
    ['urlpattern', '/*a(.{90})'],
    ['urlpattern', '/*a((?:[ab]c?){30})'],
    ['urlpattern', '/*a((?:a|b){30})'],
    ['urlpattern', `/*${'a'.repeat(90)}:b`],
    ['urlpattern', `/${'*a'.repeat(30)}*`],
    ['urlpattern', '/((?:(?:a*)*)*)b'],
    ['urlpattern', `/${long('a')}:b`],
    ['urlpattern', `${protocol}://e/`],
    ['selector', `/${'{a}a'.repeat(12)}{a}`],
    ['selector', `/${'{a}'.repeat(16)}`],
    ['selector', `{/${'a,'.repeat(11)}a}`],
    ['selector', `${long('a')}{a}b`],
  ]
  const hostile = [long('/a'), `/${long('a')}`, `/${long('ab')}`, `/${long('aab')}`, `/${long('%41')}`].map(
    topic => `${topic}!`,
  )
  for (const [type, value] of values) {
    const start = performance.now()
    const matcher = matcherOf(type, value, base)
    for (const topic of hostile) matcher?.matches(topic)
    t.not(matcher, undefined, value)
    // Some 10 ms each, usually; backtracking would take years.
    t.ok(performance.now() - start < 1_000, value)
  }
})

t.test('what people write is far from the limit', async t => {
  const id = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
  const tail = '/a-rather-long-path-below-it'.repeat(10)
  for (const value of [
    `/:org/(${id})/*`,
    `/orgs/:org/projects/:project/issues/:issue/comments/:comment${tail}`,
  ])
    t.not(matcherOf('urlpattern', value, base), undefined, value)
  for (const value of [`https://e/{a}/b/{c}/d/{e}/f/{g}${tail}`, '/s{?a,b,c,d,e,f,g,h}', `${tail}{/a*}`])
    t.not(matcherOf('selector', value, base), undefined, value)
})

t.test('the fixed ends of an expression do not overlap', async t => {
  t.notOk(matches('selector', 'aba{x}ba', 'aba'))
  t.ok(matches('selector', 'aba{x}ba', 'ababa'))
  t.ok(matches('urlpattern', '/ab*ba', '/abba'))
  t.notOk(matches('urlpattern', '/ab*ba', '/aba'))
})

t.test('keys are equal for what matches the same, and for nothing else', async t => {
  const key = (type: MatchType, value: string, url = base): string | undefined =>
    matcherOf(type, value, url)?.key
  t.equal(key('exact', '*'), key('urlpattern', '*'))
  t.equal(key('exact', 'https://e/a'), key('selector', 'https://e/a'))
  t.equal(key('selector', '{a}'), key('selector', '{a}', 'https://other.example/'))
  const others = [
    key('exact', '*'),
    key('exact', '/a'),
    key('urlpattern', '/a'),
    key('urlpattern', '/a', 'https://other.example/'),
    key('exact', '{a}'),
    key('selector', '{a}'),
    key('urlpattern', '{a}'),
  ]
  t.equal(new Set(others).size, others.length)
  t.equal(matches('urlpattern', '/b', 'https://hub.example/b'), true)
  t.equal(matcherOf('urlpattern', '/b', 'https://other.example/')?.matches('https://hub.example/b'), false)
})

t.test('values that look like others are faulty', async t => {
  for (const value of ['', '*', 'https://e/é', 'a b', '\u{1F600}', '{a}'])
    t.equal(matcherFault(value), undefined)
  for (const value of ['\0', 'a\nb', '\x7F', '\x80', '\u00AD', '\u200B', '\u202E', '\uFEFF', '\u{E0001}'])
    t.equal(matcherFault(value), 'a control or format character', JSON.stringify(value))
  t.equal(matcherFault('a\uD800'), 'not well-formed Unicode')
})
