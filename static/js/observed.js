// A value that others watch, another object after each change. Without it a view would not know when to draw itself anew.
export class Observed {
  #value
  #listeners = new Set()

  constructor(value) {
    this.#value = Object.freeze(value)
    this.get = this.get.bind(this)
    this.subscribe = this.subscribe.bind(this)
  }

  get() {
    return this.#value
  }

  set(change) {
    this.#value = Object.freeze({ ...this.#value, ...change })
    for (const listener of this.#listeners) listener(this.#value)
  }

  /** Gives what ends it. */
  subscribe(listener) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
