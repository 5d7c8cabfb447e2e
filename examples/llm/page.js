// A conversation is one topic, and its id is in the page's address. The page reads it from its beginning, and goes on reading
// as it is written: a reload in the middle of an answer takes no code of its own.

import { connect } from 'millrace/client'
import { showStatus } from '/support/banner.js'

const [turns, empty, anew, ask, text, fault] = ['turns', 'empty', 'anew', 'ask', 'text', 'fault'].map(id =>
  document.getElementById(id),
)

let id = location.hash.slice(1)
let hub
/** The answer that is being written. */
let answer

if (id !== '') follow()

function follow() {
  hub = connect('/hub', { token: id })
  showStatus(hub)
  hub.subscribe(`conversations/${id}`, take, { after: 'earliest', onGap: startAnew })
}

function take({ type, data, time }) {
  if (type === 'question') begin(data, time)
  else if (type === 'token') answer.write(data)
  else if (type === 'end') finish(data, time)
}

function begin(question, time) {
  empty.hidden = true
  anew.hidden = false
  answer = new Answer(time)
  turns.append(element('p', 'question', question), answer.box)
  setBusy(true)
}

function finish({ failed }, time) {
  answer.finish(failed, time)
  setBusy(false)
  text.focus()
}

class Answer {
  #text = element('p', 'answer is-writing')
  #note = element('p', 'soft note')
  #tokens = 0
  #since

  constructor(time) {
    this.#since = Date.parse(time)
    this.box = document.createElement('div')
    this.box.append(this.#text, this.#note)
    // Read out as a whole when it is there, not token by token.
    this.#text.setAttribute('aria-live', 'polite')
    this.#text.setAttribute('aria-busy', 'true')
  }

  write(token) {
    this.#tokens++
    this.#text.append(token)
  }

  finish(failed, time) {
    const seconds = ((Date.parse(time) - this.#since) / 1000).toFixed(1)
    this.#text.normalize()
    this.#text.classList.remove('is-writing')
    this.#text.setAttribute('aria-busy', 'false')
    this.#note.textContent = failed
      ? 'The answer broke off. Ask again.'
      : `${this.#tokens} tokens in ${seconds} s`
  }
}

async function send(question) {
  if (id === '') {
    id = crypto.randomUUID()
    history.replaceState(null, '', `#${id}`)
    follow()
  }
  setBusy(true)
  fault.textContent = ''
  const refusal = await post(question)
  if (refusal === undefined) return
  // What was typed is kept.
  text.value = question
  fault.textContent = refusal
  setBusy(false)
}

/** Resolves with what is wrong, if anything is. */
async function post(question) {
  try {
    const response = await fetch(`/conversations/${id}/questions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: question }),
    })
    return response.ok ? undefined : (await response.json()).message
  } catch {
    return 'That did not get through. Try again.'
  }
}

function setBusy(isBusy) {
  ask.querySelector('button').disabled = isBusy
}

ask.onsubmit = event => {
  event.preventDefault()
  const question = text.value.trim()
  if (question === '' || ask.querySelector('button').disabled) return
  text.value = ''
  void send(question)
}

text.onkeydown = event => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  ask.requestSubmit()
}

for (const button of document.querySelectorAll('#suggestions button')) {
  button.onclick = () => send(button.textContent)
}

anew.onclick = startAnew
window.onhashchange = () => location.reload()

function startAnew() {
  history.replaceState(null, '', location.pathname)
  location.reload()
}

function element(tag, className, textContent = '') {
  return Object.assign(document.createElement(tag), { className, textContent })
}
