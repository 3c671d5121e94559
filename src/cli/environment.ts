import { UsageError } from './exit-codes.ts'

/** `env:NAME` stands for what is in the environment: it keeps secrets out of `ps`. @throws UsageError when nothing is */
export function fromEnvironment(text: string, env: NodeJS.ProcessEnv): string {
  if (!text.startsWith('env:')) return text
  const name = text.slice('env:'.length)
  const value = env[name]
  if (value === undefined || value === '') {
    throw new UsageError(`the environment variable ${JSON.stringify(name)} is not set`)
  }
  return value
}
