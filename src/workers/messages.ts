// What the main thread and its workers ask of each other.

import type { KeyTexts } from '../auth/authenticator.ts'
import type { Config } from '../config/schema.ts'
import type { TlsMaterial } from '../http/certificates.ts'
import type { Regranted } from '../http/event-streams.ts'
import type { Rate } from '../http/rates.ts'
import type { LogHandle } from '../log/share.ts'
import type { MetricValues } from '../metrics/all-threads.ts'

/** What a worker is started with. */
export interface WorkerData {
  readonly name: string
  /** Its number, from 0. */
  readonly number: number
  /** With the port that all workers listen on. */
  readonly config: Config
  readonly logLevel: string
  readonly tls: TlsMaterial | undefined
  readonly keys: KeyTexts
  readonly log: LogHandle
  /** Of `ConnectionCounts`. */
  readonly counts: SharedArrayBuffer
}

export type WorkerMethods = {
  /** Resolves when it listens. */
  start(): Promise<void>
  useCertificate(tls: TlsMaterial): Promise<void>
  useKeys(keys: KeyTexts): Promise<void>
  /** Renews the token of a stream, if it is here. */
  renew(feed: string, token: string): Promise<Regranted>
  /** Of `ThreadQuestions`. */
  answer(question: string, value: unknown): Promise<unknown>
  metrics(): Promise<MetricValues>
  /** Drains; resolves when nothing is left. */
  close(): Promise<void>
  /** Cuts its connections and ends the thread: there is no answer. */
  end(): void
}

export type MainMethods = {
  /** Of all threads, as text. */
  readMetrics(): Promise<string>
  /** Renews the token of a stream of any worker. */
  renew(feed: string, token: string): Promise<Regranted>
  /** What all workers but this one answer. */
  askOthers(number: number, question: string, value: unknown): Promise<unknown[]>
  /** Of `RateLimits`. */
  takeOf(rate: Rate, who: readonly string[], amount: number): number
}

/** A line of the log, which the main thread writes. */
export type WorkerNews = string
