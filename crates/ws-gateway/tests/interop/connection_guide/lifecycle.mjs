// The guide's states: each is printed when it begins, and what was counted at the end.
//
// node lifecycle.mjs HOST TOKEN

import { Connection } from "./connection.mjs";

class LifecycleManager {
  #connection;
  #state = "disconnected";
  #metrics = { messagesSent: 0, messagesReceived: 0, errors: 0, reconnectAttempts: 0 };
  #listeners = [];

  constructor(connection) {
    this.#connection = connection;
    connection.on("connecting", () => this.#become("connecting"));
    connection.on("open", () => {
      this.#metrics.connectedAt = Date.now();
      this.#become("authenticating");
    });
    connection.on("authenticated", () => this.#become("connected"));
    connection.on("message", () => {
      this.#metrics.messagesReceived += 1;
      this.#metrics.lastMessageAt = Date.now();
    });
    connection.on("close", () => this.#become("disconnected"));
    connection.on("error", (error) => {
      this.#metrics.errors += 1;
      this.#become("error");
      if (error.code !== 1000) this.#comeBack();
    });
  }

  on(_stateChange, listener) {
    this.#listeners.push(listener);
  }

  getMetrics() {
    return { ...this.#metrics };
  }

  #comeBack() {
    this.#metrics.reconnectAttempts += 1;
    this.#become("reconnecting");
    const delay = Math.min(1000 * 2 ** this.#metrics.reconnectAttempts, 30_000);
    setTimeout(() => this.#connection.connect().catch(() => {}), delay);
  }

  #become(state) {
    this.#state = state;
    for (const listener of this.#listeners) listener(this.#state);
  }
}

const [host, token] = process.argv.slice(2);
const url = `ws://${host}/ws`;
const connection = new Connection({ url, token, reconnectAttempts: 0, heartbeatInterval: 30_000 });
const lifecycle = new LifecycleManager(connection);
let timesConnected = 0;
lifecycle.on("stateChange", (state) => {
  console.log(state);
  if (state === "connected") timesConnected += 1;
  // Once more behind the message that is being counted.
  if (state === "connected" && timesConnected === 2) setTimeout(() => connection.disconnect());
  if (state === "disconnected" && timesConnected === 2) {
    const { connectedAt, lastMessageAt, ...counted } = lifecycle.getMetrics();
    console.log(JSON.stringify(counted), connectedAt <= lastMessageAt);
  }
});
await connection.connect();
