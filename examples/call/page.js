// The page of a call: takes a seat, says hello on its own side's topic, and hears the other side's.

import { connect } from 'millrace/client'
import { showStatus } from '/support/banner.js'
import { Peer } from '/peer.js'

const [lobby, call, note, invitation, waiting, link, theirs, mine] = [
  'lobby',
  'call',
  'note',
  'invitation',
  'waiting',
  'link',
  'theirs',
  'mine',
].map(byId)

const PLACE = 'call.seat'

let room = location.hash.slice(1)
let current

if (room !== '') byId('join').textContent = 'Join the call'

class Call {
  /** Names this life of the page: what was meant for an earlier one is not for us. */
  #session = crypto.randomUUID()
  #hub
  #token
  #topic
  #other
  #media
  #isPolite
  #peer
  #peerSession
  #sent = Promise.resolve()

  constructor(media, seat) {
    this.#media = media
    this.#listen(seat)
    // A page that goes away has no time to wait for an answer.
    window.onpagehide = () => {
      void fetch(`/hub/topics/${this.#topic}`, {
        method: 'POST',
        keepalive: true,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${this.#token}` },
        body: JSON.stringify({ from: this.#session, bye: true }),
      })
    }
  }

  #listen({ side, token }) {
    this.#token = token
    this.#isPolite = side === 'a'
    this.#other = side === 'a' ? 'b' : 'a'
    this.#topic = `calls/${room}/${side}`
    this.#hub = connect('/hub', { token })
    showStatus(this.#hub)
    this.#hub.subscribe([`calls/${room}/${this.#other}`, this.#topic], event => this.#take(event), {
      onReady: () => this.#say({ hello: true }),
      onPresence: presence => this.#seePresence(presence),
      onError: () => this.#sitDownAgain(),
      // What was said to somebody who was away is of no use any more.
      onGap: () => {},
    })
  }

  /** The seat is not known any more: the server began anew, or somebody else has it. Sound and picture go on meanwhile. */
  async #sitDownAgain() {
    this.#hub.close()
    const seat = await takeSeat()
    if (seat === undefined) return leave(note.textContent)
    this.#listen(seat)
  }

  async hangUp() {
    window.onpagehide = null
    this.#end()
    this.#say({ bye: true })
    await Promise.race([this.#sent, new Promise(resolve => setTimeout(resolve, 1000))])
    this.#hub.close()
  }

  #take({ topic, data: { from, to, hello, bye, ...message } }) {
    if (topic === this.#topic) return
    if (bye) return from === this.#peerSession ? this.#otherLeft() : undefined
    if (!hello && to !== this.#session) return
    if (from !== this.#peerSession) this.#begin(from)
    if (!hello) this.#peer.take(message)
  }

  #begin(session) {
    this.#end()
    this.#peerSession = session
    this.#peer = new Peer({
      media: this.#media,
      isPolite: this.#isPolite,
      send: message => this.#say({ to: session, ...message }),
      onStream: stream => {
        theirs.srcObject = stream
        invitation.hidden = true
      },
      onFailed: () => this.#otherLeft(),
    })
  }

  #end() {
    this.#peer?.close()
    this.#peer = undefined
    this.#peerSession = undefined
    theirs.srcObject = null
    invitation.hidden = false
  }

  #otherLeft() {
    this.#end()
    waiting.textContent = 'The other has left'
  }

  /** A stream to the hub that breaks does not end a call. */
  #seePresence({ topic, left = [] }) {
    if (topic === this.#topic && left.includes(this.#other) && this.#peer?.isConnected === false)
      this.#otherLeft()
  }

  /** In order, each once; when the hub is away, once it is back. */
  #say(message) {
    const data = { from: this.#session, ...message }
    this.#sent = this.#sent.then(() => this.#hub.publish(this.#topic, data)).catch(() => {})
  }
}

async function join() {
  if (room === '') {
    room = crypto.randomUUID()
    history.replaceState(null, '', `#${room}`)
  }
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true }).catch(() => undefined)
  if (media === undefined) return say('There is no camera and microphone that this page may use.')
  const seat = await takeSeat()
  if (seat === undefined) return stop(media)
  lobby.hidden = true
  call.hidden = false
  waiting.textContent = 'Waiting for the other'
  link.value = location.href
  mine.srcObject = media
  for (const id of ['microphone', 'camera']) byId(id).setAttribute('aria-pressed', 'true')
  current = new Call(media, seat)
}

async function takeSeat() {
  const { token } = JSON.parse(sessionStorage.getItem(PLACE) ?? '{}')
  const response = await fetch(`/calls/${room}/seat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  }).catch(() => undefined)
  if (response === undefined) return say('The call could not be reached. Try again.')
  const answer = await response.json()
  if (!response.ok) return say(answer.message)
  sessionStorage.setItem(PLACE, JSON.stringify(answer))
  return answer
}

async function leave(text) {
  const { token } = JSON.parse(sessionStorage.getItem(PLACE) ?? '{}')
  sessionStorage.removeItem(PLACE)
  call.hidden = true
  lobby.hidden = false
  byId('join').textContent = 'Join again'
  say(text)
  stop(mine.srcObject)
  await current.hangUp()
  void fetch(`/seats/${token}`, { method: 'DELETE' })
}

function stop(media) {
  for (const track of media.getTracks()) track.stop()
}

function say(text) {
  note.textContent = text
}

function byId(id) {
  return document.getElementById(id)
}

lobby.onsubmit = async event => {
  event.preventDefault()
  byId('join').disabled = true
  await join()
  byId('join').disabled = false
}

byId('hang-up').onclick = () => leave('You have left the call.')
byId('copy').onclick = async () => {
  link.select()
  await navigator.clipboard.writeText(link.value)
  byId('copy').textContent = 'Copied'
}

for (const [id, kind] of [
  ['microphone', 'audio'],
  ['camera', 'video'],
]) {
  byId(id).onclick = ({ target }) => {
    const isOn = target.getAttribute('aria-pressed') !== 'true'
    target.setAttribute('aria-pressed', String(isOn))
    for (const track of mine.srcObject.getTracks()) if (track.kind === kind) track.enabled = isOn
  }
}

window.onhashchange = () => location.reload()
