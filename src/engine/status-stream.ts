import { BehaviorSubject, Observable } from 'rxjs'
import type { RegistrationStatus } from '../api/status.ts'
import { nextTask } from '../kit/next-task.ts'

/** A registration's status as a stream: made up only when somebody looks, at most once a turn; the current one first. */
export class StatusStream {
  readonly status$: Observable<RegistrationStatus> = new Observable((subscriber) => {
    if (this.#completed) subscriber.next(this.#read())
    // The subject holds what was current when somebody last looked.
    else this.#publish()
    return this.#subject.subscribe(subscriber)
  })
  readonly #read: () => RegistrationStatus
  readonly #subject: BehaviorSubject<RegistrationStatus>
  #queued = false
  #completed = false

  constructor(read: () => RegistrationStatus) {
    this.#read = read
    this.#subject = new BehaviorSubject(read())
  }

  changed(): void {
    if (this.#queued || !this.#subject.observed) return
    this.#queued = true
    nextTask(() => {
      this.#queued = false
      this.#publish()
    })
  }

  /** The last status, then the end. */
  complete(): void {
    this.#publish()
    this.#completed = true
    this.#subject.complete()
  }

  #publish(): void {
    if (!this.#completed) this.#subject.next(this.#read())
  }
}
