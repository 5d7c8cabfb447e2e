// The thread that reads: a commit does not hold up who catches up, nor the reverse.

import { parentPort } from 'node:worker_threads'
import { Reader } from './reader.ts'
import type { RowBackPage, RowPage } from './messages.ts'
import type { Position, Topic } from '../../event.ts'
import type { PageLimit, ReadLimit, TopicSummary } from '../event-log.ts'
import { answerCalls } from '../../thread-calls.ts'

let reader: Reader | undefined

const methods = {
  open(directory: string): void {
    reader = new Reader(directory)
  },
  read: (after: Position, selector: string, limit: ReadLimit): RowPage =>
    reader!.read(after, selector, limit),
  readBack: (before: Position, topic: Topic, limit: PageLimit): RowBackPage =>
    reader!.readBack(before, topic, limit),
  readStates: (after: Position, selector: string, limit: ReadLimit & { onlyGone: boolean }): RowPage =>
    reader!.readStates(after, selector, limit),
  lostThrough: (selector: string): Position => reader!.lostThrough(selector),
  topic: (topic: Topic): TopicSummary | undefined => reader!.topic(topic),
  topics: (after: Topic, selector: string, limit: number): TopicSummary[] =>
    reader!.topics(after, selector, limit),
  close(): void {
    reader?.close()
    reader = undefined
  },
}

export type ReaderMethods = typeof methods

answerCalls(parentPort!, methods)
