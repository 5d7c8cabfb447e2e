// The page of the chat: who you are, which rooms you are in, and which one you look at. All rooms come on one stream, which
// changes as you join and leave.

import { connect } from 'millrace/client'
import { showStatus } from '/support/banner.js'
import { Outbox } from '/outbox.js'
import { Room } from '/room.js'

const [signIn, chat, title, log, people] = ['sign-in', 'chat', 'title', 'log', 'people'].map(byId)
const JOINED = 'chat.rooms'

const hub = connect('/hub')
showStatus(hub)

/** Those that you are in, by name. */
const rooms = new Map()
let me
let all = []
let current
let presence
const outbox = new Outbox(hub)

await start()

async function start() {
  const session = await (await fetch('/session')).json()
  me = session.name
  all = session.rooms
  signIn.hidden = me !== undefined
  chat.hidden = me === undefined
  if (me === undefined) return byId('name').focus()
  byId('me').textContent = `You are ${me}.`
  const joined = JSON.parse(localStorage.getItem(JOINED) ?? '["lobby"]').filter(name => all.includes(name))
  for (const name of joined) join(name)
  look(all.includes(location.hash.slice(1)) ? location.hash.slice(1) : (joined[0] ?? all[0]))
  for (const [key, message] of outbox.waiting) void post(key, message)
}

function join(name) {
  const room = new Room(hub, name, { me, onUnread: showRooms, onRefused: signOut, scroller: log })
  rooms.set(name, room)
  void room.open()
}

function leave(name) {
  rooms.get(name).close()
  rooms.delete(name)
  look([...rooms.keys()][0])
}

/** Shows a room, which is joined if you are not in it yet. */
function look(name) {
  current?.hide()
  presence?.close()
  if (name !== undefined && !rooms.has(name)) join(name)
  current = rooms.get(name)
  chat.classList.toggle('is-nowhere', current === undefined)
  people.replaceChildren()
  title.textContent = current === undefined ? 'No room' : titleOf(name)
  byId('text').placeholder = `Message the ${name}`
  history.replaceState(null, '', name === undefined ? '/' : `#${name}`)
  localStorage.setItem(JOINED, JSON.stringify([...rooms.keys()]))
  log.replaceChildren()
  if (current !== undefined) {
    current.show()
    presence = hub.subscribe(current.topic, () => {}, { onPresence: showPeople, onError: () => {} })
  }
  showRooms()
}

function showRooms() {
  const items = all.map(name => {
    const button = element('button', titleOf(name))
    const room = rooms.get(name)
    button.classList.toggle('is-joined', room !== undefined)
    if (room === current && room !== undefined) button.setAttribute('aria-current', 'true')
    if (room?.unread > 0)
      button.append(element('b', String(room.unread), { ariaLabel: `${room.unread} unread` }))
    if (room === undefined) button.append(element('i', 'Join'))
    button.onclick = () => {
      look(name)
      byId('text').focus()
    }
    const item = document.createElement('li')
    item.append(button)
    return item
  })
  byId('rooms').replaceChildren(...items)
}

/** First all who are there, then who has come and who has gone. */
function showPeople({ present, joined = [], left = [] }) {
  const before = present ?? [...people.children].map(({ textContent }) => textContent)
  const names = new Set([...before, ...joined].filter(name => !left.includes(name)))
  people.replaceChildren(
    ...[...names].sort((one, other) => one.localeCompare(other)).map(name => element('li', name)),
  )
}

async function post(key, { room, text }) {
  rooms.get(room)?.showPending(key, text)
  const fault = await outbox.send(key)
  if (fault !== undefined) rooms.get(room)?.showRefused(key, fault)
}

byId('send').onsubmit = event => {
  event.preventDefault()
  const text = byId('text').value.trim()
  byId('text').value = ''
  if (text === '') return
  const message = { room: current.name, text }
  void post(outbox.add(message), message)
}

signIn.onsubmit = async event => {
  event.preventDefault()
  const body = JSON.stringify({ text: byId('name').value })
  await fetch('/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  await start()
  byId('text').focus()
}

byId('leave').onclick = () => leave(current.name)
byId('sign-out').onclick = signOut

async function signOut() {
  await fetch('/session', { method: 'DELETE' })
  location.reload()
}

function titleOf(name) {
  return name[0].toUpperCase() + name.slice(1)
}

function byId(id) {
  return document.getElementById(id)
}

function element(tag, textContent, others = {}) {
  return Object.assign(document.createElement(tag), { textContent, ...others })
}
