// What went wrong with a request, where its answer would be.

import type { ComponentChildren } from 'preact'
import type { HubProblem } from '../request.ts'
import { Icon } from './icon.tsx'

export function ProblemNote({ problem }: { problem: HubProblem | undefined }): ComponentChildren {
  // The banner says that.
  if (problem === undefined || problem.status === 0) return null
  return (
    <p class="problem" role="alert">
      <Icon name="alert" />
      <span>
        {problem.message} {problem.code !== '' && <code>{problem.code}</code>}
      </span>
    </p>
  )
}
