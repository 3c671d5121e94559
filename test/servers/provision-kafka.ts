import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitFor } from '../support/wait-for.ts'
import { findProgram, installDebian, run, whyNotDebian } from './programs.ts'

/** The newest of the last generation with ZooKeeper, and the newest of all that Java 17 runs. */
export const KAFKA_VERSIONS = ['3.9.2', '4.4.0'] as const
export type KafkaVersion = (typeof KAFKA_VERSIONS)[number]
export const NEWEST_KAFKA: KafkaVersion = '4.4.0'

/** What a server is run with. */
export interface KafkaPrograms {
  readonly java: string
  /** As Java's `-cp` takes it. */
  readonly classPath: string
}

/** There is no server, and none could be installed; the message says what was tried. */
export class MissingKafkaError extends Error {
  override readonly name = 'MissingKafkaError'
}

const CACHE = join(import.meta.dirname, '..', '..', '.cache', 'kafka')
const DOWNLOAD_MS = 300_000

/**
 * Apache Kafka's own jars, from the cache folder or with Maven into it; Java and Maven are Debian's where they are
 * missing and we are root. Several processes may ask at once: one downloads, the others wait.
 * @throws MissingKafkaError
 */
export async function requireKafka(version: KafkaVersion): Promise<KafkaPrograms> {
  const java = await requireProgram('java', 'default-jre-headless')
  const libs = join(CACHE, version, 'libs')
  if (!(await isFilled(libs))) {
    const maven = await requireProgram('mvn', 'maven')
    try {
      await underLock(join(CACHE, `${version}.lock`), async () => {
        if (!(await isFilled(libs))) await download(maven, version)
      })
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new MissingKafkaError(`Kafka's jars could not be had: ${why}`, { cause })
    }
  }
  return { java, classPath: join(libs, '*') }
}

/** Why {@link requireKafka} fails, as one line; undefined when it does not. */
export async function whyNoKafka(version: KafkaVersion): Promise<string | undefined> {
  try {
    await requireKafka(version)
    return undefined
  } catch (error) {
    if (error instanceof MissingKafkaError) return error.message.replace(/\s+/gu, ' ')
    throw error
  }
}

async function requireProgram(name: string, pkg: string): Promise<string> {
  const present = await findProgram(name)
  if (present !== undefined) return present
  const obstacle = await whyNotDebian()
  if (obstacle !== undefined) throw new MissingKafkaError(`no ${name} in PATH, and ${obstacle}`)
  try {
    await installDebian(pkg)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new MissingKafkaError(`${pkg} could not be installed: ${why}`, { cause })
  }
  const installed = await findProgram(name)
  if (installed === undefined) throw new MissingKafkaError(`apt-get installed no ${name}`)
  return installed
}

/** The folder appears under its name when it is complete. */
async function download(maven: string, version: string): Promise<void> {
  const folder = join(CACHE, `${version}.new-${process.pid}`)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const pom = join(folder, 'pom.xml')
  await writeFile(pom, project(version))
  const goal = 'dependency:copy-dependencies'
  const target = `-DoutputDirectory=${join(folder, 'libs')}`
  await run(maven, ['-q', '-B', '-f', pom, goal, '-DincludeScope=runtime', target])
  await rm(join(CACHE, version), { recursive: true, force: true })
  await rename(folder, join(CACHE, version))
}

function project(version: string): string {
  const dependency = (group: string, artifact: string, of: string, more = ''): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${of}</version>${more}</dependency>`
  // One way of logging only: to stderr.
  const withoutLogging =
    '<exclusions><exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion></exclusions>'
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', version, withoutLogging)}
    ${dependency('org.apache.kafka', 'kafka-tools', version, withoutLogging)}
    ${dependency('org.slf4j', 'slf4j-simple', '1.7.36')}
  </dependencies>
</project>
`
}

async function isFilled(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length > 0
  } catch {
    return false
  }
}

/** One process at a time; the lock of one that is no more is taken over. */
async function underLock(path: string, task: () => Promise<void>): Promise<void> {
  await mkdir(CACHE, { recursive: true })
  await waitFor(() => takeLock(path), { timeoutMs: DOWNLOAD_MS, describe: `the lock ${path}` })
  try {
    await task()
  } finally {
    await rm(path, { force: true })
  }
}

async function takeLock(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const holder = Number(await readFile(path, 'utf8').catch(() => ''))
  if (holder > 0 && !isAlive(holder)) await rm(path, { force: true })
  return false
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
