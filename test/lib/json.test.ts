import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { JsonError, decodeUtf8, parseJson } from '../../src/lib/json.ts'
import type { JsonLimits, JsonReason } from '../../src/lib/json.ts'

function refuses(text: string, reason: JsonReason, limits?: JsonLimits): void {
  const shown = text.slice(0, 60)
  assert.throws(() => parseJson(text, limits), new JsonError(reason), shown)
}

suite('parseJson', () => {
  test('reads every kind of value', () => {
    const text =
      ' {"a": [1, -2.5e3, 0, true, false, null, "\\u00e9 \\\\ \\" \\n", {}, []], "b": {"a": ":"}} '
    assert.deepEqual(parseJson(text), JSON.parse(text))
    for (const scalar of ['1', '"x"', 'null', '"{"', '"a\\\\"']) {
      assert.equal(parseJson(scalar), JSON.parse(scalar))
    }
  })

  test('the same key in different objects is no duplicate', () => {
    assert.deepEqual(parseJson('[{"a":1},{"a":{"a":2}}]'), [{ a: 1 }, { a: { a: 2 } }])
  })

  test('a string that looks like a key is no key', () => {
    assert.deepEqual(parseJson('{"a":"b","b":["a","a","__proto__"]}'), {
      a: 'b',
      b: ['a', 'a', '__proto__'],
    })
  })

  test('OAC-12 a token answer with a key twice is refused, however it is spelled', () => {
    refuses('{"access_token":"a","access_token":"b"}', 'duplicate_key')
    refuses('{"sub":"a","x":{},"sub" \n: "b"}', 'duplicate_key')
    refuses('{"sub":"a","\\u0073ub":"b"}', 'duplicate_key')
    refuses('{"x":[{"deep":{"k":1,"l":"}","k":2}}]}', 'duplicate_key')
    refuses('{"":1,"":2}', 'duplicate_key')
  })

  test('DOS-02 keys that reach prototypes are refused, however they are spelled', () => {
    refuses('{"__proto__":{"admin":true}}', 'forbidden_key')
    refuses('{"a":[{"constructor":{"prototype":{}}}]}', 'forbidden_key')
    refuses('{"prototype":1}', 'forbidden_key')
    refuses('{"\\u005f_proto__":1}', 'forbidden_key')
  })

  test('DOS-02 nesting beyond the limit is refused', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    assert.ok(parseJson(nested(64)))
    refuses(nested(65), 'too_deep')
    refuses(nested(10_000), 'too_deep')
    refuses('{"a":'.repeat(65) + '1' + '}'.repeat(65), 'too_deep')
    refuses('[[{}]]', 'too_deep', { maxDepth: 2 })
    assert.ok(parseJson('[[],[],[{}]]', { maxDepth: 3 }))
  })

  test('DOS-02 more keys than the limit are refused', () => {
    const keyed = (count: number): string =>
      `{${Array.from({ length: count }, (_, n) => `"k${n}":0`).join()}}`
    assert.ok(parseJson(keyed(10_000)))
    refuses(keyed(10_001), 'too_many_keys')
    refuses('[{"a":1},{"b":1},{"c":1}]', 'too_many_keys', { maxKeys: 2 })
  })

  test('DOS-02 what is not JSON is refused', () => {
    const texts = ['NaN', '[Infinity]', "{'a':1}", '{"a":1,}', '[1,]', '01', '// x\n1', '1 1', '']
    for (const text of texts) refuses(text, 'invalid_json')
    for (const text of ['"\t"', '"\\x"', '{"a"}', '[', '{a:1}', '\u00a0 1']) {
      refuses(text, 'invalid_json')
    }
  })

  test('DOS-02 a number beyond the range of a double is refused', () => {
    for (const text of ['1e999', '[-1E+400]', `{"n":${'9'.repeat(400)}}`]) {
      refuses(text, 'number_too_large')
    }
    assert.equal(parseJson('1e308'), 1e308)
    assert.equal(parseJson('"1e999"'), '1e999')
  })

  test('DOS-02 a byte order mark is refused', () => {
    refuses('\ufeff{}', 'invalid_json')
    refuses(decodeUtf8(Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])), 'invalid_json')
  })

  test('half of a surrogate pair is refused, in keys and in values', () => {
    refuses('"\\ud800"', 'lone_surrogate')
    refuses('{"\\udc00":1}', 'lone_surrogate')
    assert.equal(parseJson('"\\ud83d\\ude00"'), '\u{1f600}')
  })

  test('the time taken grows with the length and not faster', () => {
    const texts = [
      `"${'\\"'.repeat(500_000)}"`,
      `["a"${' '.repeat(1_000_000)}]`,
      `[${'"",'.repeat(200_000)}""]`,
      `[${'{},'.repeat(200_000)}{}]`,
    ]
    for (const text of texts) {
      const start = performance.now()
      parseJson(text)
      assert.ok(performance.now() - start < 2000, text.slice(0, 10))
    }
  })

  test('an error repeats nothing of the text', () => {
    const secret = 'canary'
    for (const text of [`{"token":"${secret}"`, `{"${secret}":1,"${secret}":2}`, secret]) {
      assert.throws(
        () => parseJson(text),
        (error: Error) =>
          error instanceof JsonError &&
          error.cause === undefined &&
          !String(error.stack).includes(secret),
      )
    }
  })
})

suite('decodeUtf8', () => {
  test('reads UTF-8', () => {
    assert.equal(decodeUtf8(new TextEncoder().encode('Zoë \u{1f600}')), 'Zoë \u{1f600}')
  })

  test('DOS-02 bytes that are not UTF-8 are refused', () => {
    const overlong = [0xc0, 0xaf]
    const surrogate = [0xed, 0xa0, 0x80]
    for (const bytes of [[0xff], overlong, surrogate, [0xe2, 0x82]]) {
      assert.throws(() => decodeUtf8(Uint8Array.from(bytes)), new JsonError('invalid_utf8'))
    }
  })
})
