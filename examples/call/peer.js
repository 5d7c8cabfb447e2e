// The connection to the other side. Either side may begin at any time; when both do, the polite one gives way (the "perfect
// negotiation" of the WebRTC specification, section 10.7).

// None: enough on one network. Across the internet, name your STUN and TURN servers here.
const ICE_SERVERS = []

export class Peer {
  #connection = new RTCPeerConnection({ iceServers: ICE_SERVERS })
  #send
  #isPolite
  #isMakingOffer = false
  #isIgnoringOffer = false
  #taken = Promise.resolve()

  /** `send` carries a message to the other side, where `take` gets it. */
  constructor({ media, isPolite, send, onStream, onFailed }) {
    const connection = this.#connection
    this.#isPolite = isPolite
    this.#send = send
    connection.onnegotiationneeded = () => this.#offer()
    connection.onicecandidate = ({ candidate }) => send({ candidate })
    connection.ontrack = ({ streams }) => onStream(streams[0])
    connection.onconnectionstatechange = () => connection.connectionState === 'failed' && onFailed()
    for (const track of media.getTracks()) connection.addTrack(track, media)
  }

  get isConnected() {
    return this.#connection.connectionState === 'connected'
  }

  /** One after the other, in the order in which they were sent. */
  take(message) {
    this.#taken = this.#taken.then(() => this.#takeNext(message)).catch(reportError)
  }

  close() {
    this.#connection.onconnectionstatechange = null
    this.#connection.close()
  }

  async #offer() {
    this.#isMakingOffer = true
    try {
      await this.#connection.setLocalDescription()
      this.#send({ description: this.#connection.localDescription })
    } finally {
      this.#isMakingOffer = false
    }
  }

  async #takeNext({ description, candidate }) {
    const connection = this.#connection
    if (connection.signalingState === 'closed') return
    if (description === undefined) {
      // Those of an offer that was ignored belong to nothing here.
      if (!this.#isIgnoringOffer) await connection.addIceCandidate(candidate)
      return
    }
    const isOffer = description.type === 'offer'
    const collides = isOffer && (this.#isMakingOffer || connection.signalingState !== 'stable')
    this.#isIgnoringOffer = collides && !this.#isPolite
    if (this.#isIgnoringOffer) return
    await connection.setRemoteDescription(description)
    if (!isOffer) return
    await connection.setLocalDescription()
    this.#send({ description: connection.localDescription })
  }
}
