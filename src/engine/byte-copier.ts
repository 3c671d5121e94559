/** A chunk of memory costs ten times what a part of one does. */
const CHUNK_BYTES = 4_096
/** Larger values get memory of their own, so that a kept copy holds on to little beside itself. */
const MAX_PART_BYTES = CHUNK_BYTES / 8
/** Typed arrays of other kinds need aligned offsets. */
const ALIGNMENT = 8

/** Copies of values for one receiver (C9). Small ones are parts of common chunks, which no other receiver shares. */
export class ByteCopier {
  #chunk = new ArrayBuffer(0)
  #used = 0

  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    const copy = length > MAX_PART_BYTES ? new Uint8Array(length) : this.#part(length)
    copy.set(bytes)
    return copy
  }

  #part(length: number): Uint8Array {
    if (this.#used + length > this.#chunk.byteLength) {
      this.#chunk = new ArrayBuffer(CHUNK_BYTES)
      this.#used = 0
    }
    const part = new Uint8Array(this.#chunk, this.#used, length)
    this.#used += Math.ceil(length / ALIGNMENT) * ALIGNMENT
    return part
  }
}
