#!/usr/bin/env node
import { run } from './program.ts'

const { stdin, stdout, stderr, env } = process

void run(process.argv.slice(2), { stdin, stdout, stderr, env }).then((code) => {
  // The process ends by itself: what were still open would be a fault of ours.
  process.exitCode = code
})
