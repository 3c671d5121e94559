/**
 * The other process of the demo: somebody's tool that changes the configuration. It knows HTTP and JSON, neither the
 * store, which has one owner, nor its driver, nor this package.
 */
import { describeError } from '../../api/errors.ts'
import type {
  OperatorAnswer,
  OperatorCommand,
  OperatorOrder,
  OperatorReport,
  OperatorRequest,
} from './operator-messages.ts'

const ETH1 = { enabled: true, addresses: ['10.0.1.1/24'] }

serve(process)

/** Carries out orders, one at a time; ends with the pipe. */
function serve(pipe: NodeJS.Process): void {
  let told = (): void => {}
  // The agent may be gone meanwhile: then this process ends with the pipe, too.
  const report = (message: OperatorReport): void =>
    void pipe.send?.(message, undefined, {}, () => {})
  pipe.on('message', (command: OperatorCommand) => {
    if (command === 'go') told()
    else void carryOut(command)
  })
  // Ctrl-C reaches both processes; the agent ends first.
  pipe.on('SIGINT', () => {})

  async function carryOut({ step, url }: OperatorOrder): Promise<void> {
    for (const request of requestsOf(step)) {
      const heard = new Promise<void>((resolve) => {
        told = resolve
      })
      report({ kind: 'asks', request })
      await heard
      report({ kind: 'answered', answer: await send(url, request) })
    }
    report({ kind: 'done' })
  }
}

async function send(url: string, { key, json }: OperatorRequest): Promise<OperatorAnswer> {
  const target = `${url}/v1/keys?${new URLSearchParams({ key }).toString()}`
  try {
    const response = await fetch(
      target,
      json === undefined
        ? { method: 'DELETE' }
        : {
            method: 'PUT',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(json),
          },
    )
    const body = (await response.json()) as { readonly detail?: string }
    return { status: response.status, detail: body.detail }
  } catch (error) {
    return { status: 0, detail: describeError(error) }
  }
}

function requestsOf(step: OperatorOrder['step']): OperatorRequest[] {
  switch (step) {
    case 'changes':
      return [
        {
          key: '/config/interfaces/eth0',
          json: { enabled: true, addresses: ['10.0.0.1/24'], mtu: 9000 },
        },
        {
          key: '/config/routes/backup',
          json: { network: '10.9.0.0/16', nextHop: '10.0.1.254', interface: 'eth1' },
        },
        { key: '/config/access-lists/guests' },
      ]
    case 'impossible':
      return [{ key: '/config/interfaces/eth1', json: { ...ETH1, mtu: 42 } }]
    case 'correction':
      return [{ key: '/config/interfaces/eth1', json: { ...ETH1, mtu: 1400 } }]
    case 'tick':
      return [{ key: '/config/interfaces/lo', json: loopback() }]
  }
}

function loopback(): object {
  const address = `127.0.0.${1 + Math.floor(Math.random() * 254)}/8`
  return { enabled: true, addresses: [address], mtu: 65_536 }
}
