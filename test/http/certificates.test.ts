// The certificates in files, and in a real TLS server that goes on serving while they are replaced.

import { execFile, spawn, spawnSync } from 'node:child_process'
import { createHash, KeyObject, webcrypto, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { connect as connectHttp2, createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509'
import t, { type Test } from 'tap'
import { openCertificates, type Certificates } from '../../src/http/certificates.ts'
import { startHub } from '../support/hub.ts'

const run = promisify(execFile)
const DAY_MS = 86_400_000
const POLL_MS = 20
const onLinux = process.platform === 'linux' ? {} : { skip: 'only Linux has all of 127.0.0.0/8' }

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const keyPair = () => webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])
const keyPem = (key: webcrypto.CryptoKey) => KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' })

/** Writes cert.pem and key.pem of a made-up operator. */
async function operatorPair(dir: string, name = 'hub.example', days = 90, from = Date.now() - 400 * DAY_MS) {
  const keys = await keyPair()
  const made = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${name}`,
      keys,
      notBefore: new Date(from),
      notAfter: new Date(Date.now() + days * DAY_MS),
      signingAlgorithm: ECDSA,
    },
    webcrypto,
  )
  await mkdir(dir, { recursive: true })
  const files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') }
  await writeFile(files.cert, made.toString('pem') + '\n')
  await writeFile(files.key, keyPem(keys.privateKey))
  return { ...files, certsDir: join(dir, 'unused') }
}

async function serve(t: Test, certificates: Certificates) {
  const server = createSecureServer({ ...certificates.secureContext(), allowHTTP1: true })
  const streams: ServerHttp2Stream[] = []
  server.on('session', session => void session.on('error', () => {}))
  server.on('stream', stream => {
    streams.push(stream)
    stream.respond({ ':status': 200 })
    stream.write('open\n')
  })
  server.on('request', (request, response) => void (request.httpVersion === '1.1' && response.end('ok')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  return { server, port, streams }
}

async function presented(port: number): Promise<string> {
  const socket: TLSSocket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerX509Certificate()!
  socket.destroy()
  return fingerprint256
}

const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256
const certIn = async (file: string) => new X509Certificate(await readFile(file))

/** Resolves with the argument of each next call of `onReload`. */
function reloads(t: Test, certificates: Certificates) {
  const seen: (Error | undefined)[] = []
  let wake = () => {}
  // The watch alone does not keep the process alive.
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => {
    clearInterval(alive)
    certificates.close()
  })
  certificates.watch(error => {
    seen.push(error)
    wake()
  })
  return async () => {
    while (seen.length === 0) await new Promise<void>(resolve => void (wake = resolve))
    return seen.shift()
  }
}

t.test('at first start an authority and a certificate are made, and kept from then on', async t => {
  const certsDir = join(t.testdir(), 'deep', 'certs')
  const first = await openCertificates({ certsDir })
  t.equal(first.certificateAuthority, join(certsDir, 'ca.pem'))
  t.equal(first.warning(), undefined)
  t.same((await readdir(certsDir)).sort(), ['ca-key.pem', 'ca.pem', 'cert.pem', 'key.pem'])
  for (const name of ['ca-key.pem', 'key.pem']) {
    t.equal((await stat(join(certsDir, name))).mode & 0o777, 0o600, `${name} is private`)
  }
  const second = await openCertificates({ certsDir })
  t.same(second.secureContext(), first.secureContext())
  t.equal(await second.reload(), false)
})

t.test('the certificate covers this machine for a year, and the authority ten', async t => {
  const certsDir = t.testdir()
  await openCertificates({ certsDir, names: ['192.0.2.7', 'Hub.Example', '0.0.0.0', 'no name'] })
  const leaf = await certIn(join(certsDir, 'cert.pem'))
  const ca = await certIn(join(certsDir, 'ca.pem'))
  for (const name of ['localhost', hostname().toLowerCase(), 'hub.example']) {
    t.ok(leaf.checkHost(name, { subject: 'never' }), name)
  }
  for (const address of ['127.0.0.1', '::1', '192.0.2.7']) t.ok(leaf.checkIP(address), address)
  t.notOk(leaf.checkIP('0.0.0.0'))
  t.notOk(leaf.ca)
  t.ok(ca.ca)
  const days = (cert: X509Certificate) => (cert.validToDate.getTime() - cert.validFromDate.getTime()) / DAY_MS
  t.ok(days(leaf) < 398 && days(leaf) > 390, `${days(leaf)} days`)
  t.ok(days(ca) > 3649, `${days(ca)} days`)
})

t.test('an address is covered however it is spelled, and the certificate is kept then', async t => {
  const certsDir = t.testdir()
  const names = ['fe80::1%eth0', '::ffff:192.0.2.9', '2001:DB8:0:0::7', '0:0:0:0:0:0:0:0']
  const first = await openCertificates({ certsDir, names })
  const leaf = new X509Certificate(first.secureContext().cert)
  for (const address of ['fe80::1', '::ffff:c000:209', '2001:db8::7']) t.ok(leaf.checkIP(address), address)
  t.notOk(leaf.checkIP('::'))
  const second = await openCertificates({ certsDir, names })
  t.equal(second.secureContext().cert, first.secureContext().cert)
})

t.test('a hub’s certificate covers the address that it listens on', onLinux, async t => {
  const hub = await startHub(t, { host: '127.0.0.2' })
  const socket = connectTls({ port: Number(new URL(hub.url).port), host: '127.0.0.2', ca: hub.ca })
  await once(socket, 'secureConnect')
  t.ok(socket.authorized)
  socket.destroy()
})

t.test('curl, Node and OpenSSL accept the certificate once they trust the authority', async t => {
  const certificates = await openCertificates({ certsDir: t.testdir() })
  const { port } = await serve(t, certificates)
  const ca = certificates.certificateAuthority!
  for (const host of ['localhost', '127.0.0.1']) {
    const url = `https://${host}:${port}/`
    const curl = [
      '-sS',
      '--http1.1',
      '--max-time',
      '10',
      '--cacert',
      ca,
      '--resolve',
      `localhost:${port}:127.0.0.1`,
    ]
    t.equal((await run('curl', [...curl, url])).stdout, 'ok', `curl, ${host}`)
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: ca }
    const code = `console.log(await (await fetch('https://127.0.0.1:${port}/')).text())`
    t.equal(
      (await run(process.execPath, ['--input-type=module', '-e', code], { env })).stdout,
      'ok\n',
      'Node',
    )
  }
  await t.rejects(run('curl', ['-sS', `https://127.0.0.1:${port}/`]), /certificate/, 'not without trust')
  const verified = await run('openssl', [
    'verify',
    '-purpose',
    'sslserver',
    '-CAfile',
    ca,
    join(ca, '../cert.pem'),
  ])
  t.match(verified.stdout, /OK/)
})

/** What OpenSSL says of the certificate, held to the letter of RFC 5280. */
async function strictly(ca: string, cert: string): Promise<string> {
  const args = ['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'localhost']
  const ended = await run('openssl', [...args, '-CAfile', ca, cert]).catch(error => error)
  return ended.stdout + ended.stderr
}

t.test('OpenSSL finds nothing to object to in strict mode', async t => {
  const certsDir = t.testdir()
  const [ca, cert] = [join(certsDir, 'ca.pem'), join(certsDir, 'cert.pem')]
  await openCertificates({ certsDir })
  t.equal(await strictly(ca, cert), `${cert}: OK\n`)
  for (const file of [ca, cert]) t.match((await certIn(file)).serialNumber, /^[0-9A-F]{16,40}$/)
})

t.test('Python, strict as it is by default since 3.13, connects', needsPython(), async t => {
  const certificates = await openCertificates({ certsDir: t.testdir() })
  const { port } = await serve(t, certificates)
  const code = `
import socket, ssl
context = ssl.create_default_context(cafile=${JSON.stringify(certificates.certificateAuthority)})
context.verify_flags |= ssl.VERIFY_X509_STRICT
for name in ['localhost', '127.0.0.1']:
    with socket.create_connection(('127.0.0.1', ${port}), timeout=10) as tcp:
        with context.wrap_socket(tcp, server_hostname=name) as tls:
            print(tls.version())`
  const { stdout } = await run('python3', ['-c', code])
  t.equal(stdout, 'TLSv1.3\nTLSv1.3\n')
})

// Not required in CI: OpenSSL's strict mode is, and Python's is the same.
function needsPython(): { skip?: string } {
  return spawnSync('python3', ['-c', 'import ssl']).status === 0 ? {} : { skip: 'python3 is not installed' }
}

t.test('a certificate of an authority without key identifiers is made anew under the same key', async t => {
  const certsDir = t.testdir()
  const at = (name: string) => join(certsDir, name)
  await withoutKeyIdentifiers(certsDir)
  t.match(await strictly(at('ca.pem'), at('cert.pem')), /Missing Subject Key Identifier/)
  await cp(at('ca.pem'), at('old-ca.pem'))
  const keys = () => Promise.all(['ca-key.pem', 'key.pem'].map(name => readFile(at(name), 'utf8')))
  const before = await keys()
  await openCertificates({ certsDir })
  t.same(await keys(), before)
  t.equal(await strictly(at('ca.pem'), at('cert.pem')), `${at('cert.pem')}: OK\n`)
  const trusting = await run('openssl', ['verify', '-CAfile', at('old-ca.pem'), at('cert.pem')])
  t.match(trusting.stdout, /OK/, 'who trusts the old one trusts the new certificate')
})

/** Writes the four files in the form that Millrace gave them at first. */
async function withoutKeyIdentifiers(dir: string) {
  const [ca, leaf] = [await keyPair(), await keyPair()]
  const publicKey = KeyObject.from(ca.publicKey).export({ type: 'spki', format: 'der' })
  const issuer = `CN=Millrace local CA ${createHash('sha256').update(publicKey).digest('hex').slice(0, 12)}`
  const common = { issuer, signingKey: ca.privateKey, signingAlgorithm: ECDSA }
  const until = (days: number) => ({ notAfter: new Date(Date.now() + days * DAY_MS) })
  const authority = await X509CertificateGenerator.create(
    {
      ...common,
      ...until(3650),
      subject: issuer,
      publicKey: ca.publicKey,
      extensions: [new BasicConstraintsExtension(true, 0, true)],
    },
    webcrypto,
  )
  const cert = await X509CertificateGenerator.create(
    { ...common, ...until(396), subject: 'CN=localhost', publicKey: leaf.publicKey },
    webcrypto,
  )
  await writeFile(join(dir, 'ca.pem'), authority.toString('pem'))
  await writeFile(join(dir, 'cert.pem'), cert.toString('pem'))
  await writeFile(join(dir, 'ca-key.pem'), keyPem(ca.privateKey))
  await writeFile(join(dir, 'key.pem'), keyPem(leaf.privateKey))
}

t.test('a certificate that expires within 30 days is renewed under the same authority', async t => {
  const certsDir = t.testdir()
  const before = await openCertificates({ certsDir })
  const ca = await readFile(join(certsDir, 'ca.pem'), 'utf8')
  const early = Date.now() + 365 * DAY_MS
  const unchanged = await openCertificates({ certsDir, now: () => early })
  t.equal(unchanged.secureContext().cert, before.secureContext().cert, 'not before')
  const late = Date.now() + 367 * DAY_MS
  const renewed = await openCertificates({ certsDir, now: () => late })
  t.not(renewed.secureContext().cert, before.secureContext().cert)
  t.equal(await readFile(join(certsDir, 'ca.pem'), 'utf8'), ca)
  t.ok(new X509Certificate(renewed.secureContext().cert).verify(new X509Certificate(ca).publicKey))
})

t.test('an authority near its end is renewed so that those who trust the old one need not hurry', async t => {
  const certsDir = t.testdir()
  await openCertificates({ certsDir })
  const old = await certIn(join(certsDir, 'ca.pem'))
  const late = Date.now() + 3400 * DAY_MS
  const later = await openCertificates({ certsDir, now: () => late })
  const leaf = new X509Certificate(later.secureContext().cert)
  const renewed = await certIn(join(certsDir, 'ca.pem'))
  t.not(renewed.fingerprint256, old.fingerprint256)
  t.ok(leaf.checkIssued(old) && leaf.verify(old.publicKey), 'the old one vouches for the new certificate')
  t.ok(leaf.checkIssued(renewed) && leaf.verify(renewed.publicKey))
  t.ok(renewed.validToDate > leaf.validToDate)
})

t.test('a certificate of another authority is made anew', async t => {
  const dir = t.testdir()
  const [one, two] = [join(dir, 'one'), join(dir, 'two')]
  await openCertificates({ certsDir: one })
  await openCertificates({ certsDir: two })
  await cp(join(one, 'cert.pem'), join(two, 'cert.pem'))
  const made = await openCertificates({ certsDir: two })
  const ca = await certIn(join(two, 'ca.pem'))
  t.ok(new X509Certificate(made.secureContext().cert).verify(ca.publicKey))
})

t.test('a private authority key may be removed: the certificate serves on', async t => {
  const certsDir = t.testdir()
  const first = await openCertificates({ certsDir })
  await rm(join(certsDir, 'ca-key.pem'))
  const second = await openCertificates({ certsDir })
  t.same(second.secureContext(), first.secureContext())
  t.notOk((await readdir(certsDir)).includes('ca-key.pem'))
})

t.test('a certificate that Millrace did not make is never replaced', async t => {
  const certsDir = t.testdir()
  const { cert } = await operatorPair(certsDir)
  const before = await readFile(cert, 'utf8')
  await t.rejects(openCertificates({ certsDir }), {
    code: 'MILLRACE_CERTIFICATE_UNUSABLE',
    message: `${cert} is not of Millrace's making: serve it with --cert and --key, or move it away`,
  })
  t.equal(await readFile(cert, 'utf8'), before)
})

t.test('processes that start at once end with one authority and matching pairs', async t => {
  const certsDir = join(t.testdir(), 'certs')
  const code = `
    import { openCertificates } from ${JSON.stringify(join(import.meta.dirname, '../../src/http/certificates.ts'))}
    process.stdout.write('ready')
    for await (const _ of process.stdin) break
    const certificates = await openCertificates({ certsDir: ${JSON.stringify(certsDir)} })
    process.stdout.write(JSON.stringify(certificates.secureContext()))
    process.exit()`
  const children = Array.from({ length: 5 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', code]),
  )
  await Promise.all(children.map(child => once(child.stdout, 'data')))
  for (const child of children) child.stdin.write('go\n')
  const outputs = await Promise.all(children.map(child => child.stdout.toArray()))
  const ca = await certIn(join(certsDir, 'ca.pem'))
  const keys = new Set<string>()
  for (const output of outputs) {
    const { cert, key } = JSON.parse(Buffer.concat(output).toString())
    t.ok(new X509Certificate(cert).verify(ca.publicKey))
    keys.add(key)
  }
  t.equal(keys.size, 1)
  const last = await openCertificates({ certsDir })
  t.ok(new X509Certificate(last.secureContext().cert).verify(ca.publicKey))
  t.equal((await readdir(certsDir)).length, 4, 'no temporary file is left')
})

t.test('an operator’s certificate is refused with what is wrong', async t => {
  const dir = t.testdir({ 'empty.pem': '', 'text.pem': 'hello\n' })
  const good = await operatorPair(join(dir, 'good'))
  const other = await operatorPair(join(dir, 'other'))
  const expired = await operatorPair(join(dir, 'expired'), 'old.example', -1)
  const [goodCert, otherCert] = await Promise.all([readFile(good.cert, 'utf8'), readFile(other.cert, 'utf8')])
  const at = (name: string) => join(dir, name)
  await writeFile(at('wrong-order.pem'), otherCert + goodCert)
  await writeFile(at('damaged.pem'), goodCert.replace(/\n[^\n]{20}/, '\n' + 'A'.repeat(20)))
  await writeFile(at('damaged-key.pem'), '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')
  await run('openssl', ['pkey', '-aes256', '-passout', 'pass:x', '-in', good.key, '-out', at('locked.pem')])
  const weak = ['req', '-x509', '-newkey', 'rsa:512', '-nodes', '-subj', '/CN=weak']
  await run('openssl', [...weak, '-keyout', at('weak-key.pem'), '-out', at('weak.pem')])
  const faults: [cert: string, key: string, message: string | RegExp][] = [
    [at('none.pem'), good.key, `${at('none.pem')} cannot be read: it does not exist`],
    [good.cert, at('none.pem'), `${at('none.pem')} cannot be read: it does not exist`],
    [at('empty.pem'), good.key, `${at('empty.pem')} is empty`],
    [at('text.pem'), good.key, /text\.pem holds no certificate in PEM form/],
    [good.cert, at('text.pem'), /text\.pem holds no private key in PEM form/],
    [good.key, good.cert, /key\.pem holds a private key and no certificate: are the two files swapped\?/],
    [good.cert, other.cert, /cert\.pem holds a certificate and no private key: are the two files swapped\?/],
    [at('damaged.pem'), good.key, /damaged\.pem holds a damaged certificate/],
    [good.cert, at('damaged-key.pem'), /damaged-key\.pem holds a damaged private key/],
    [good.cert, at('locked.pem'), /locked\.pem is encrypted: decrypt it/],
    [good.cert, other.key, `${other.key} does not belong to ${good.cert}: they are not a pair`],
    [
      at('wrong-order.pem'),
      good.key,
      /belongs to certificate 2 in .*wrong-order\.pem: that one must come first/,
    ],
    [expired.cert, expired.key, /expired.cert\.pem expired at 20.*Z: renew it/],
    [
      at('weak.pem'),
      at('weak-key.pem'),
      /weak\.pem with .*weak-key\.pem is refused by OpenSSL \(.*key too small/,
    ],
  ]
  for (const [cert, key, message] of faults) {
    const opening = openCertificates({ cert, key, certsDir: at('unused') })
    await t.rejects(opening, { code: 'MILLRACE_CERTIFICATE_UNUSABLE', message }, String(message))
  }
  await t.rejects(openCertificates({ cert: good.cert, certsDir: dir }), {
    message: '--cert is given without --key',
  })
  await t.rejects(openCertificates({ certsDir: at('text.pem') }), { code: 'MILLRACE_CERTIFICATE_UNUSABLE' })
})

t.test('keys in the formats that tools write are taken', async t => {
  const dir = t.testdir()
  const { key } = await operatorPair(dir)
  const at = (name: string) => join(dir, name)
  await run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-out', at('sec1.pem')])
  await run('openssl', ['genrsa', '-traditional', '-out', at('pkcs1.pem'), '2048'])
  for (const file of [key, at('sec1.pem'), at('pkcs1.pem')]) {
    const cert = `${file}.cert`
    await run('openssl', [
      'req',
      '-x509',
      '-key',
      file,
      '-subj',
      '/CN=x',
      '-days',
      '90',
      '-text',
      '-out',
      cert,
    ])
    const certificates = await openCertificates({ cert, key: file, certsDir: dir })
    t.equal(certificates.certificateAuthority, undefined)
    t.equal(certificates.secureContext().minVersion, 'TLSv1.2')
  }
})

t.test('an operator’s certificate near its end is served with a warning', async t => {
  const dir = t.testdir()
  const soon = await openCertificates(await operatorPair(join(dir, 'soon'), 'hub.example', 29))
  t.match(soon.warning(), /cert\.pem expires at 20.*Z: renew it/)
  const fine = await openCertificates(await operatorPair(join(dir, 'fine'), 'hub.example', 31))
  t.equal(fine.warning(), undefined)
  const early = await operatorPair(join(dir, 'early'), 'hub.example', 90, Date.now() + DAY_MS)
  t.match((await openCertificates(early)).warning(), /is not valid before 20/)
})

t.test('a reload takes a new pair, and keeps the old one when the new is unusable', async t => {
  const options = await operatorPair(t.testdir())
  const certificates = await openCertificates(options)
  t.equal(await certificates.reload(), false)
  const first = certificates.secureContext()
  await writeFile(options.key, 'half a fi')
  await t.rejects(certificates.reload(), { code: 'MILLRACE_CERTIFICATE_UNUSABLE' })
  t.same(certificates.secureContext(), first)
  await operatorPair(t.testdirName)
  t.equal(await certificates.reload(), true)
  t.not(certificates.secureContext().cert, first.cert)
})

t.test('a server takes a new certificate without dropping its live streams', async t => {
  const options = await operatorPair(t.testdir())
  const certificates = await openCertificates({ ...options, pollMs: POLL_MS })
  const { server, port, streams } = await serve(t, certificates)
  const next = reloads(t, certificates)

  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/live' })
  const received = stream.setEncoding('utf8')[Symbol.asyncIterator]()
  t.equal((await received.next()).value, 'open\n')
  const before = fingerprint(certificates.secureContext().cert)
  t.equal(await presented(port), before)

  await operatorPair(t.testdirName)
  t.equal(await next(), undefined)
  server.setSecureContext(certificates.secureContext())
  const after = fingerprint(certificates.secureContext().cert)
  t.not(after, before)
  t.equal(await presented(port), after, 'a new connection sees the new one')
  const client = run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-alpn', 'h2'])
  client.child.stdin!.end()
  t.match((await client).stdout, /CN = hub\.example/)
  const text = await run('curl', [
    '-sS',
    '--http1.1',
    '--cacert',
    options.cert,
    '--connect-to',
    `::127.0.0.1:${port}`,
    `https://hub.example:${port}/`,
  ])
  t.equal(text.stdout, 'ok')

  streams[0]!.write('still here\n')
  t.equal((await received.next()).value, 'still here\n', 'the stream that was open lives on')
})

t.test('a change to something unusable is reported once, and the next good pair is taken', async t => {
  const options = await operatorPair(t.testdir())
  const certificates = await openCertificates({ ...options, pollMs: POLL_MS })
  const next = reloads(t, certificates)
  const first = certificates.secureContext()
  const fresh = await operatorPair(join(t.testdirName, 'fresh'))

  await cp(fresh.cert, options.cert)
  t.match(await next(), { code: 'MILLRACE_CERTIFICATE_UNUSABLE', message: /they are not a pair/ })
  t.same(certificates.secureContext(), first)
  await cp(fresh.key, options.key)
  t.equal(await next(), undefined, 'nothing else was reported')
  t.equal(certificates.secureContext().cert, await readFile(fresh.cert, 'utf8'))
  await rm(options.key)
  t.match(await next(), { message: `${options.key} cannot be read: it does not exist` })
})

t.test('files that are replaced through symlinks are noticed', async t => {
  const dir = t.testdir()
  await operatorPair(join(dir, 'v1'))
  await operatorPair(join(dir, 'v2'))
  await operatorPair(join(dir, 'v3'))
  // As Kubernetes mounts a secret: file -> ..data/file, ..data -> v1, and ..data is swapped.
  await symlink('v1', join(dir, '..data'))
  await symlink('..data/cert.pem', join(dir, 'cert.pem'))
  await symlink('..data/key.pem', join(dir, 'key.pem'))
  const files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem'), certsDir: dir }
  const certificates = await openCertificates({ ...files, pollMs: POLL_MS })
  const next = reloads(t, certificates)
  for (const version of ['v2', 'v3']) {
    await symlink(version, join(dir, 'swap'))
    await rename(join(dir, 'swap'), join(dir, '..data'))
    t.equal(await next(), undefined)
    t.equal(certificates.secureContext().cert, await readFile(join(dir, version, 'cert.pem'), 'utf8'))
  }
})

t.test('a hub that runs for a year renews its own certificate in time', async t => {
  const certsDir = t.testdir()
  let now = Date.now()
  const certificates = await openCertificates({ certsDir, pollMs: POLL_MS, now: () => now })
  const next = reloads(t, certificates)
  const first = certificates.secureContext()
  now += 367 * DAY_MS
  t.equal(await next(), undefined)
  t.not(certificates.secureContext().cert, first.cert)
  t.ok(new X509Certificate(certificates.secureContext().cert).validToDate.getTime() > now + 300 * DAY_MS)
})

t.test('a directory that somebody removes while the hub runs is not made again', async t => {
  const certsDir = join(t.testdir(), 'certs')
  const certificates = await openCertificates({ certsDir, pollMs: POLL_MS })
  const next = reloads(t, certificates)
  await rm(certsDir, { recursive: true })
  t.match(await next(), { message: /it does not exist/ })
  await t.rejects(stat(certsDir), { code: 'ENOENT' })
})
