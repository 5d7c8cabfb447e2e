// Numbers, times and sizes as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })

/** 12,345 */
export function count(value: number): string {
  return whole.format(value)
}

/** 987, 12.3K */
export function compact(value: number): string {
  return value < 10_000 ? whole.format(value) : short.format(value)
}

/** Per second: 0, 0.4, 12, 3.2K */
export function rate(value: number): string {
  if (value <= 0) return '0'
  if (value < 0.1) return '<0.1'
  return value < 10 ? String(Math.round(value * 10) / 10) : compact(Math.round(value))
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

/** 512 B, 1.5 KB: a KB is 1,024 bytes. */
export function bytes(value: number): string {
  const unit = value < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10))
  const scaled = value / 1024 ** unit
  return `${unit === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[unit]}`
}

/** Of milliseconds: 0.12 ms, 3.4 ms, 1.2 s */
export function latency(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return '–'
  if (milliseconds < 10) return `${milliseconds.toFixed(milliseconds < 1 ? 2 : 1)} ms`
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}

/** 12 s, 5 min, 3 h 20 min, 2 d 4 h */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 100) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

export function percent(share: number): string {
  return `${Math.round(share * 100)}%`
}

export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${count(amount)} ${amount === 1 ? one : many}`
}

/** 14:03:22.123 today, else with its day. */
export function moment(time: number, digits = true): string {
  const date = new Date(time)
  const clock = date.toLocaleTimeString('en-GB')
  const text = digits ? `${clock}.${String(date.getMilliseconds()).padStart(3, '0')}` : clock
  return date.toDateString() === new Date().toDateString() ? text : `${dayOf(date)} ${text}`
}

function dayOf(date: Date): string {
  return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })
}
