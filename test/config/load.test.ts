// The configuration: who overrules whom, and what each refusal says.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadClientSettings } from '../../src/config/client.ts'
import { loadConfig, type ConfigSources } from '../../src/config/load.ts'
import { environmentName, flagName } from '../../src/config/option-names.ts'
import { DEFAULTS, OPTION_NAMES, OPTIONS } from '../../src/config/schema.ts'
import { MillraceError } from '../../src/errors.ts'

function load(sources: ConfigSources = {}) {
  return loadConfig({ env: {}, ...sources })
}

function refuses(t: Test, sources: ConfigSources, ...wanted: (string | RegExp)[]): void {
  try {
    load(sources)
    t.fail('it was accepted')
  } catch (error) {
    t.ok(error instanceof MillraceError && error.code === 'MILLRACE_CONFIG_INVALID', String(error))
    for (const part of wanted) t.match((error as Error).message, part)
  }
}

t.test('without anything set, the defaults apply and are frozen', async t => {
  const config = load()
  t.same(config, DEFAULTS)
  t.equal(config.port, 9443)
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.anonymousPublish))
})

t.test('every default keeps the rules that a given value must keep', async t => {
  const flags = Object.fromEntries(OPTION_NAMES.map(name => [name, DEFAULTS[name]]))
  t.same(load({ flags }), DEFAULTS)
})

t.test('a flag overrules the environment, which overrules the file, which overrules the default', async t => {
  const file = join(t.testdir({ 'hub.json': '{"port": 1, "retryMs": 1, "drainMs": 1}' }), 'hub.json')
  const env = { MILLRACE_CONFIG: file, MILLRACE_PORT: '2', MILLRACE_RETRY_MS: '2' }
  const config = load({ flags: { port: '3' }, env })
  t.match(config, { port: 3, retryMs: 2, drainMs: 1, maxWaitMs: DEFAULTS.maxWaitMs })
})

t.test('--config goes before MILLRACE_CONFIG and starts from the working directory', async t => {
  const cwd = t.testdir({ 'a.json': '{"port": 1}', 'b.json': '{"port": 2}' })
  t.equal(load({ flags: { config: 'a.json' }, env: { MILLRACE_CONFIG: 'b.json' }, cwd }).port, 1)
})

t.test('every option can be set from the environment under its own name', async t => {
  const given = { integer: '77', boolean: 'false', string: 'x', array: 'a, b,' } as const
  const special: Record<string, string> = {
    log: 'memory:',
    retention: 'a events=5',
    host: 'localhost',
    publicUrl: 'https://hub.example.org',
    corsOrigin: 'https://a.org,https://b.org:8443',
    maxBufferedBytes: '99999',
    maxHeaderBytes: '2048',
    workers: 'auto',
    trustProxy: '10.0.0.0/8,::1',
    jwtKey: 'x'.repeat(32),
    jwtAlgorithms: 'ES256, ES384',
    jwksUrl: 'https://id.example.org/keys',
    jwksMaxAgeMs: '20000',
  }
  // The key of tokens comes from one place, and a public URL brings its host.
  const exclusive: readonly string[] = ['jwtKeyFile', 'jwksUrl', 'publicUrl']
  for (const name of ['jwtKeyFile', 'jwksUrl'] as const) {
    const env = { [environmentName(name)]: special[name] ?? 'x', MILLRACE_JWT_AUDIENCE: 'a' }
    t.equal(load({ env })[name], special[name] ?? 'x')
  }
  const names = OPTION_NAMES.filter(name => !exclusive.includes(name))
  const text = (name: (typeof OPTION_NAMES)[number]) =>
    special[name] ?? OPTIONS[name].enum?.[1] ?? given[OPTIONS[name].type ?? 'string']
  const config = load({
    env: Object.fromEntries(names.map(name => [environmentName(name), text(name)])),
  })
  for (const name of names) {
    const value = config[name]
    t.equal(
      Array.isArray(value) ? value.join() : String(value),
      text(name).replace(', ', ',').replace(/,$/, ''),
    )
  }
})

t.test('an empty environment variable counts as unset', async t => {
  t.equal(load({ env: { MILLRACE_PORT: '', MILLRACE_CONFIG: '' } }).port, 9443)
})

t.test('a list flag may be repeated and may hold commas', async t => {
  t.same(load({ flags: { anonymousPublish: ['a/*', 'b,c/**'] } }).anonymousPublish, ['a/*', 'b', 'c/**'])
})

t.test('names are spelled one way in each place', async t => {
  t.equal(environmentName('maxBodyBytes'), 'MILLRACE_MAX_BODY_BYTES')
  t.equal(flagName('maxBodyBytes'), '--max-body-bytes')
})

t.test('a value of the wrong type is refused with its source and what the option takes', async t => {
  refuses(t, { flags: { port: 'http' } }, '--port is "http"', 'an integer from 0 to 65535')
  refuses(t, { flags: { port: '65536' } }, '--port is 65536')
  refuses(t, { flags: { workers: 'all' } }, '--workers is "all"', 'an integer from 1 to 256, or auto')
  refuses(t, { flags: { workers: '0' } }, '--workers is 0')
  refuses(t, { flags: { port: '1e3' } }, '--port is "1e3"')
  refuses(t, { env: { MILLRACE_PORT: 'tcp://10.0.0.1:9443' } }, 'MILLRACE_PORT is "tcp://10.0.0.1:9443"')
  refuses(t, { env: { MILLRACE_TLS: 'yes' } }, 'MILLRACE_TLS is "yes"', 'true or false')
  refuses(t, { env: { MILLRACE_LOG_LEVEL: 'loud' } }, 'MILLRACE_LOG_LEVEL', 'one of fatal, error, warn')
  refuses(t, { flags: { heartbeatMs: '72000' } }, '--heartbeat-ms is 72000', 'to 71999 (ms)')
  refuses(t, { flags: { pingIntervalMs: '72000' } }, '--ping-interval-ms is 72000')
  refuses(t, { flags: { host: '' } }, '--host is ""')
})

t.test('a file is refused for what is wrong in it', async t => {
  const file = join(t.testdir(), 'hub.json')
  const refusesFile = (text: string, ...wanted: (string | RegExp)[]) => {
    writeFileSync(file, text)
    refuses(t, { flags: { config: file } }, file, ...wanted)
  }
  refusesFile('{"port": "9443"}', 'port in ', 'is "9443"')
  refusesFile('{"tls": 1}', 'tls in ', 'true or false')
  refusesFile('{"corsOrigin": "https://a.org"}', 'a list of origins')
  refusesFile('{"maxBodyByte": 1}', "unknown option 'maxBodyByte'", "did you mean 'maxBodyBytes'?")
  refusesFile('{"max_body_bytes": 1}', "did you mean 'maxBodyBytes'?")
  refusesFile('{"zebra": 1}', /unknown option 'zebra'$/)
  refusesFile('{"__proto__": {"port": 1}}', "unknown option '__proto__'")
  refusesFile('{"port": 1', 'is not JSON')
  refusesFile('[]', 'must hold a JSON object')
  refuses(t, { flags: { config: 'no/such.json' } }, 'no/such.json cannot be read')
})

t.test('a certificate goes with its key', async t => {
  refuses(t, { flags: { cert: 'a.pem' } }, '--cert is given without --key')
  refuses(t, { env: { MILLRACE_KEY: 'a.key' } }, '--key is given without --cert')
  t.match(load({ flags: { cert: 'a.pem', key: 'a.key' } }), { cert: 'a.pem', key: 'a.key' })
})

t.test('an event fits its topic, and a topic fits the log', async t => {
  const sizes = { maxBodyBytes: '10', logMaxTopicBytes: '10', logMaxBytes: '10' }
  t.match(load({ flags: sizes }), { maxBodyBytes: 10, logMaxTopicBytes: 10, logMaxBytes: 10 })
  refuses(
    t,
    { flags: { ...sizes, maxBodyBytes: '11' } },
    '--max-body-bytes (11)',
    '--log-max-topic-bytes (10)',
  )
  refuses(t, { flags: { ...sizes, logMaxBytes: '9' } }, '--max-body-bytes (10)', '--log-max-bytes (9)')
})

t.test('a log of another kind is refused', async t => {
  for (const log of ['sqlite:', 'data', 'nats://localhost']) {
    refuses(t, { flags: { log } }, `--log is "${log}"`, 'sqlite:data', 'memory:')
  }
})

t.test('on loopback, anyone may do everything unless told otherwise', async t => {
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost', 'LocalHost']) {
    t.match(load({ flags: { host } }), { anonymousPublish: ['**'], anonymousReceive: ['**'] })
  }
  t.match(load({ flags: { anonymousPublish: '' } }), { anonymousPublish: [], anonymousReceive: ['**'] })
})

t.test('off loopback, it does not start without a key or a word on anonymous clients', async t => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'hub.example.org', '127.0.0.1.example.org', '127.1']) {
    refuses(
      t,
      { flags: { host } },
      `--host ${host} `,
      'MILLRACE_JWT_KEY',
      '--api-keys-file',
      '--anonymous-receive',
      '--anonymous-publish',
    )
  }
})

t.test('off loopback, what is not granted stays closed', async t => {
  const flags = { host: '0.0.0.0', anonymousReceive: 'public/**' }
  t.match(load({ flags }), { anonymousReceive: ['public/**'], anonymousPublish: [] })
})

t.test('with a key, nothing is open that was not opened', async t => {
  for (const flags of [{ apiKeysFile: 'keys.json' }, { jwtKeyFile: 'key.pem', host: '0.0.0.0' }]) {
    t.match(load({ flags }), { anonymousReceive: [], anonymousPublish: [], anonymousMetrics: false })
  }
  const flags = { apiKeysFile: 'keys.json', anonymousReceive: 'public/**' }
  t.match(load({ flags }), { anonymousReceive: ['public/**'], anonymousPublish: [] })
})

t.test('the key of tokens comes from one place, and a JWK Set from a safe one for an audience', async t => {
  const env = { MILLRACE_JWT_KEY: 'a secret of more than thirty-two bytes' }
  refuses(t, { env, flags: { jwtKeyFile: 'k' } }, 'MILLRACE_JWT_KEY', '--jwt-key-file', 'one of them')
  const jwksUrl = 'https://id.example.org/keys'
  refuses(t, { flags: { jwksUrl } }, '--jwks-url', '--jwt-audience')
  refuses(t, { flags: { jwksUrl: 'http://id.example.org/keys', jwtAudience: 'a' } }, '--jwks-url', 'https:')
  refuses(t, { flags: { jwksUrl: 'keys.json', jwtAudience: 'a' } }, '--jwks-url', 'https:')
  const withPassword = 'https://ann:secret@id.example.org/keys'
  refuses(t, { flags: { jwksUrl: withPassword, jwtAudience: 'a' } }, '--jwks-url', /^(?!.*secret)/)
  refuses(t, { flags: { jwksMaxAgeMs: '9999' } }, '--jwks-max-age-ms', 'from 10000')
  refuses(t, { flags: { jwtAlgorithms: 'none' } }, '--jwt-algorithms')
  t.equal(load({ flags: { jwksUrl: 'http://127.0.0.1:80/k', jwtAudience: 'a' } }).host, '127.0.0.1')
})

t.test('patterns and origins are checked', async t => {
  refuses(t, { flags: { anonymousReceive: 'a*b' } }, '--anonymous-receive has the pattern "a*b"')
  refuses(t, { flags: { compressionExclude: 'a/**/b' } }, '--compression-exclude has the pattern "a/**/b"')
  refuses(t, { env: { MILLRACE_ANONYMOUS_PUBLISH: '**/a' } }, '--anonymous-publish has the pattern "**/a"')
  for (const corsOrigin of ['https://a.org/', 'a.org', '*', 'https://A.org', 'https://a.org:443']) {
    refuses(t, { flags: { corsOrigin } }, `--cors-origin has "${corsOrigin}"`, 'https://app.example.org')
  }
})

t.test('clients take their hub from flags, then from the environment', async t => {
  const pem = join(t.testdir({ 'ca.pem': '-----BEGIN CERTIFICATE-----\n' }), 'ca.pem')
  const env = { MILLRACE_URL: 'https://hub.example.org/', MILLRACE_CACERT: pem }
  t.match(loadClientSettings({}, env), {
    url: 'https://hub.example.org',
    ca: ['-----BEGIN CERTIFICATE-----\n'],
  })
  t.equal(loadClientSettings({ url: 'http://127.0.0.1:1/below/' }, env).url, 'http://127.0.0.1:1/below')
  t.equal(loadClientSettings({}, {}).url, 'https://localhost:9443')
  t.throws(() => loadClientSettings({ url: 'ftp://x' }, {}), /--url is "ftp:\/\/x"/)
  t.throws(() => loadClientSettings({}, { MILLRACE_URL: 'localhost' }), /MILLRACE_URL is "localhost"/)
  t.throws(() => loadClientSettings({ cacert: 'no/such.pem' }, {}), /--cacert is no\/such.pem/)
  t.throws(() => loadClientSettings({ cacert: 'package.json' }, {}), /holds no PEM certificate/)
})

t.test('a public URL names a host, and whoever can be reached from outside is closed', async t => {
  const publicUrl = 'https://hub.example.org:8443'
  t.throws(() => load({ env: { MILLRACE_PUBLIC_URL: publicUrl } }), /nothing says who may use the hub/)
  const env = {
    MILLRACE_PUBLIC_URL: publicUrl,
    MILLRACE_JWT_KEY: 'x'.repeat(32),
    MILLRACE_ALLOWED_HOST: 'other',
  }
  t.match(load({ env }), { publicUrl, allowedHost: ['other', 'hub.example.org'], anonymousReceive: [] })
  for (const wrong of [
    'hub.example.org',
    'https://hub.example.org/',
    'https://hub.example.org/x',
    'ftp://a',
    'x',
  ]) {
    t.throws(() => load({ env: { ...env, MILLRACE_PUBLIC_URL: wrong } }), /takes a scheme, a host/, wrong)
  }
})

t.test('trustProxy takes addresses and networks, and nothing else', async t => {
  const networks = ['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', '0.0.0.0/0']
  const flags = { trustProxy: networks.join(), anonymousReceive: 'a' }
  t.same(load({ flags }).trustProxy, networks)
  for (const odd of ['proxy.example.org', '10.0.0.0/33', '::1/129', '10.0.0', '10.0.0.0/', 'true', '1/2/3']) {
    t.throws(
      () => load({ flags: { trustProxy: odd } }),
      /--trust-proxy has ".*", but it takes addresses/,
      odd,
    )
  }
})

t.test('behind a proxy that it was told of, a hub on loopback is as closed as elsewhere', async t => {
  t.throws(
    () => load({ flags: { trustProxy: '127.0.0.1' } }),
    /proxy of --trust-proxy 127\.0\.0\.1 can be reached/,
  )
  const flags = { trustProxy: '127.0.0.1', anonymousReceive: 'public/**' }
  t.match(load({ flags }), { anonymousPublish: [], anonymousReceive: ['public/**'], anonymousMetrics: false })
})

t.test('an origin is no pattern', async t => {
  for (const wrong of ['*', 'https://*.example.org'])
    t.throws(() => load({ env: { MILLRACE_CORS_ORIGIN: wrong } }), /an origin is a scheme/, wrong)
})
