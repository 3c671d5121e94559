/** Runs `task` in a later turn of the event loop, after pending I/O had its chance. Does not keep the process alive. */
export function nextTask(task: () => void): void {
  const immediate = (globalThis as { setImmediate?: (task: () => void) => unknown }).setImmediate
  if (immediate === undefined) setTimeout(task, 0)
  else immediate(task)
}

/** Resolves in a later turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => nextTask(resolve))
}
