import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createParser } from 'eventsource-parser'
import express from 'express'
import { dashboard } from '../../src/dashboard/index.ts'
import type { DashboardOptions } from '../../src/dashboard/index.ts'
import type { Agent } from '../../src/index.ts'
import { onTeardown } from '../support/teardown.ts'
import { waitFor } from '../support/wait-for.ts'

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: Record<string, unknown>
}

export interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A dashboard that an application serves on a port of its own. */
export class ServedPage {
  readonly agent: Agent
  readonly server: Server
  readonly #port: number

  constructor(agent: Agent, server: Server) {
    this.agent = agent
    this.server = server
    this.#port = (server.address() as AddressInfo).port
  }

  url(path = '', host = '127.0.0.1'): string {
    return `http://${host}:${this.#port}/dashboard/${path}`
  }

  /** One request, with exactly these headers; a JSON body unless they say otherwise. */
  send(
    path: string,
    { method = 'GET', headers = {}, body }: Sent = {},
    host?: string,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const type = body === undefined ? {} : { 'Content-Type': 'application/json' }
      const sent = httpRequest(this.url(path, host), {
        method,
        headers: { ...type, ...headers },
        agent: false,
      })
      sent.on('error', reject)
      sent.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => {
          const isJson = /json/u.test(response.headers['content-type'] ?? '')
          const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {}
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json })
        })
      })
      sent.end(body)
    })
  }

  json(path: string, method: string, body: unknown, headers = {}): Promise<Answer> {
    return this.send(path, { method, headers, body: JSON.stringify(body) })
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

/** Mounts the dashboard as an application does; closed when the test file is over. */
export async function servePage(
  agent: Agent,
  options: DashboardOptions = {},
  host = '127.0.0.1',
): Promise<ServedPage> {
  const app = express()
  app.use('/dashboard', dashboard(agent, options))
  const server = createServer(app)
  server.listen(0, host)
  await once(server, 'listening')
  const page = new ServedPage(agent, server)
  onTeardown(() => page.stop())
  onTeardown(() => agent.close())
  return page
}

/** What a page hears. */
export interface Heard {
  readonly name: string
  readonly data: Record<string, unknown>
}

/** Another client than ours of the events, until it is closed. */
export class Listener {
  readonly heard: Heard[] = []
  readonly #abort = new AbortController()
  #ended = false

  static async open(url: string, headers: Record<string, string> = {}): Promise<Listener> {
    const listener = new Listener()
    const response = await fetch(url, { headers, signal: listener.#abort.signal })
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    onTeardown(() => listener.close())
    void listener.#read(response)
    return listener
  }

  get ended(): boolean {
    return this.#ended
  }

  close(): void {
    this.#abort.abort()
  }

  /** The next event of the name that satisfies it, from the beginning. */
  next(name: string, test: (data: Heard['data']) => unknown = () => true): Promise<Heard['data']> {
    const find = (): Heard | undefined =>
      this.heard.find((event) => event.name === name && test(event.data))
    return waitFor(() => find()?.data, {
      describe: () => `${name}; heard ${JSON.stringify(this.heard).slice(0, 2_000)}`,
    })
  }

  async #read(response: Response): Promise<void> {
    const parser = createParser({
      onEvent: ({ event = 'message', data }) =>
        this.heard.push({ name: event, data: JSON.parse(data) as Heard['data'] }),
    })
    const decoder = new TextDecoder()
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        parser.feed(decoder.decode(chunk, { stream: true }))
      }
    } catch {
      // Closed by us, or by the server.
    }
    this.#ended = true
  }
}
