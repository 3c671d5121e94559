/**
 * The other process of the demo: somebody's tool that changes the configuration. It knows JSON and a pipe to the agent,
 * neither the store nor its driver.
 */
import type {
  OperatorAnswer,
  OperatorMessage,
  OperatorRequest,
  OperatorStep,
} from './operator-messages.ts'

const ETH1 = { enabled: true, addresses: ['10.0.1.1/24'] }

serve(process)

/** Sends a step's requests, each after the answer to the one before; ends with the pipe. */
function serve(pipe: NodeJS.Process): void {
  let waiting: OperatorRequest[] = []
  pipe.on('message', (message: OperatorStep | OperatorAnswer) => {
    if (typeof message === 'string') waiting = requestsOf(message)
    const next: OperatorMessage = waiting.shift() ?? 'done'
    pipe.send?.(next)
  })
  // Ctrl-C reaches both processes; the agent ends first.
  pipe.on('SIGINT', () => {})
}

function requestsOf(step: OperatorStep): OperatorRequest[] {
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
