// The Fastify plugin: a hub inside somebody else's app. Its routes, parsers, hooks and errors stay in a scope of their own
// under the prefix; what the app gets is `app.hub`.

import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { KeyFiles } from '../config/key-files.ts'
import { retentionRules } from '../config/retention-rules.ts'
import { MillraceError } from '../errors.ts'
import { readWhatHooksMake } from '../http/body.ts'
import { ConnectionCounts } from '../http/connection-counts.ts'
import { refuseForeignPages } from '../http/foreign-pages.ts'
import { OpenRequests } from '../http/open-requests.ts'
import { sendOwnProblem } from '../http/problem.ts'
import { Rates } from '../http/rates.ts'
import { addRequestRules } from '../http/request-rules.ts'
import { openLog } from '../log/open-log.ts'
import { registerLogMetrics } from '../metrics/metrics.ts'
import { formatId } from '../protocol/ids.ts'
import { openApiRoute } from '../routes/openapi.ts'
import { Service } from '../service.ts'
import { watchKeys } from '../config/watch-keys.ts'
import { authorizeBy } from './app-grant.ts'
import type { AppHub } from './app-hub.ts'
import { checkOptions, type CheckedOptions, type MillraceOptions } from './options.ts'
import { publishMany, publishOne } from './publishing.ts'
import { subscribe } from './subscribing.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The hub that `millrace` was registered for. */
    hub: AppHub
  }
}

const embed: FastifyPluginAsync<MillraceOptions> = async (app, options) => {
  const checked = checkOptions(options)
  if (app.hasDecorator('hub')) throw new MillraceError('MILLRACE_CONFIG_INVALID', HUB_TAKEN)
  const { config } = checked
  const keys = new KeyFiles(config)
  const log = await openLog({ ...config, retention: retentionRules(config) }, app.log)
  // Closed whatever else fails: the app closes what it has begun to register.
  app.addHook('onClose', async () => {
    keys.close()
    await log.close()
  })
  const service = createService(app, checked, options, { log, keys })
  app.addHook('onClose', async () => service.hub.close())
  const requests = new OpenRequests()
  app.addHook('preClose', () => goodbye(service, requests, config.drainMs))
  watchKeys(keys, service, app.log)
  app.decorate('hub', createAppHub(app, service, config))
  await app.register(scope => addRoutes(scope, service, requests, checked), { prefix: options.prefix })
}

// Its options and its default export are named once: `import millrace from 'millrace'`.
export const millrace = fastifyPlugin(embed, { fastify: '^5.12.8', name: 'millrace' })

const HUB_TAKEN =
  "this app has an 'app.hub' already. Register the plugin once, or each time in a scope of its own: app.register(async scope => { await scope.register(millrace, ...) })"

interface Opened {
  readonly log: Awaited<ReturnType<typeof openLog>>
  readonly keys: KeyFiles
}

function createService(
  app: FastifyInstance,
  { config, takesTokens }: CheckedOptions,
  { authorize }: MillraceOptions,
  { log, keys }: Opened,
): Service {
  const service = new Service({
    config,
    logger: app.log,
    log,
    keys: keys.texts,
    counts: new ConnectionCounts(),
    rates: new Rates(config),
    renewElsewhere: async () => 'unknown',
    askElsewhere: async () => [],
    readMetrics: ({ registry }) => registry.metrics(),
    isForUsOnly: false,
    authorize: authorize === undefined ? undefined : authorizeBy(authorize),
    takesTokens,
  })
  registerLogMetrics(service.metrics.registry, () => log.usage())
  return service
}

async function addRoutes(
  scope: FastifyInstance,
  service: Service,
  requests: OpenRequests,
  { config }: CheckedOptions,
): Promise<void> {
  scope.setErrorHandler(sendOwnProblem)
  addRequestRules(scope, config, service.connections, service.abuse)
  requests.follow(scope)
  readWhatHooksMake(scope)
  refuseForeignPages(scope)
  // An app that describes its own routes describes these too.
  if (!scope.hasDecorator('swagger')) await openApiRoute(scope)
  await service.addRoutes(scope)
}

/**
 * The server waits for this before it stops listening, so streams are not ended one after the other as by a hub of its own:
 * whoever came back meanwhile would get a 503, which an EventSource takes for the last word.
 */
async function goodbye(service: Service, requests: OpenRequests, drainMs: number): Promise<void> {
  service.beginToClose()
  await service.streams.drain(0)
  void requests.end(drainMs)
}

function createAppHub(
  app: FastifyInstance,
  { hub, context }: Service,
  limits: CheckedOptions['config'],
): AppHub {
  return {
    get head() {
      return formatId(hub.log.epoch, hub.log.head())
    },
    publish: (topic, data, options = {}) => publishOne(hub, limits, topic, data, options),
    publishMany: (events, options = {}) => publishMany(hub, limits, events, options),
    subscribe: (topics, onEvent, { after, ...options } = {}) =>
      subscribe(hub, limits, [topics].flat(), after, {
        ...options,
        onEvent,
        onError: error => app.log.error({ err: error, topics }, 'a subscription of the app has failed'),
        closing: context.closing,
      }),
  }
}
