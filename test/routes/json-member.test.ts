import fc from 'fast-check'
import t from 'tap'
import { memberText } from '../../src/routes/json-member.ts'

t.test("a member's text is found as it was written", async t => {
  t.equal(memberText('{"data": 12345678901234567890 }', 'data'), '12345678901234567890')
  t.equal(
    memberText('{"a":"}\\"","data":{"data":[1,"]"], "data":1.0},"b":2}', 'data'),
    '{"data":[1,"]"], "data":1.0}',
  )
  t.equal(memberText('{"d\\u0061ta":1,"data":2}', 'data'), '2', 'names are compared as JSON means them')
  t.equal(memberText('{"data":1}', 'other'), undefined)
  t.equal(memberText(' { } ', 'data'), undefined)
})

t.test('whatever the object, its members are found', async t => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.nat(2), (object, indent) => {
      const text = JSON.stringify(object, null, indent)
      for (const [name, value] of Object.entries(object)) {
        t.same(JSON.parse(memberText(text, name)!), JSON.parse(JSON.stringify(value)))
      }
    }),
  )
})
