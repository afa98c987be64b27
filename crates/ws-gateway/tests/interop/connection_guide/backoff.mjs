// The guide's delays: doubled up to the most, and spread over the upper half of it.

export class ExponentialBackoff {
  #config;
  #attempts = 0;
  #lastSuccess = Date.now();

  constructor(config) {
    this.#config = config;
  }

  shouldReconnect() {
    return this.#attempts < this.#config.maxAttempts;
  }

  getNextDelay() {
    const { baseDelay, maxDelay, jitter, resetAfter } = this.#config;
    if (Date.now() - this.#lastSuccess > resetAfter) this.#attempts = 0;
    const delay = Math.min(baseDelay * 2 ** this.#attempts, maxDelay);
    this.#attempts += 1;
    return jitter ? delay * (0.5 + Math.random() * 0.5) : delay;
  }

  recordSuccess() {
    this.#lastSuccess = Date.now();
    this.#attempts = 0;
  }
}
