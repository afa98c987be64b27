// A client on a clock that the test moves, and sockets at whose other end the test sits.

import assert from "node:assert/strict";
import { Client } from "../client.js";

export const flush = () => new Promise(setImmediate);

export class ScriptedSocket {
  readyState = 0;
  sent = [];
  log = []; // the types of all that was ever sent

  constructor(url, protocols, options) {
    Object.assign(this, { url, protocols, options });
  }
  send(text) {
    assert.equal(this.readyState, 1, "said only while it is open");
    this.sent.push(JSON.parse(text));
    this.log.push(this.sent.at(-1).type);
  }
  // Like one that is half-open: it never closes by itself.
  close(code, reason) {
    this.closed = { code, reason };
    this.readyState = 2;
  }
  open() {
    this.readyState = 1;
    this.onopen?.({});
  }
  say(message) {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify({ ...message, timestamp: Date.now() }) });
  }
  end(code = 1006, reason = "", refused) {
    this.readyState = 3;
    this.onclose?.({ code, reason, refused });
  }
  accept(more) {
    this.open();
    this.say({ type: "connected", clientId: "c", userId: "alice", heartbeatMs: 30_000, ...more });
  }
  all(type) {
    return this.sent.filter((message) => message.type === type);
  }
  // The oldest of a type that was not looked at yet.
  take(type) {
    const index = this.sent.findIndex((message) => message.type === type);
    assert.notEqual(index, -1, `a ${type} among ${JSON.stringify(this.sent)}`);
    return this.sent.splice(index, 1)[0];
  }
  answer(type, more) {
    const { id } = this.take(type);
    return { id, ...more };
  }
  subscribed(more) {
    const { id, channel, since } = this.take("subscribe");
    this.say({ type: "subscribed", id, channel, ...more });
    return since;
  }
  ack(more) {
    const message = this.take("publish");
    this.say({ type: "ack", id: message.id, ...more });
    return message;
  }
  refuse(type, code, more) {
    const { id, requestId } = this.take(type);
    this.say({ type: "error", code, message: code, id, requestId, ...more });
  }
}

// What a test has to do with: the client, its sockets, its clock and its dice.
export class World {
  random = 1;
  sockets = [];
  states = [];
  errors = [];

  constructor(t) {
    const world = this;
    this.timers = t.mock.timers;
    this.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
    t.mock.method(Math, "random", () => 1 - this.random);
    this.WebSocket = class extends ScriptedSocket {
      constructor(...args) {
        super(...args);
        world.sockets.push(this);
      }
    };
    t.after(() => {
      this.client?.close();
      const faults = this.errors.filter((error) => error instanceof TypeError || error instanceof ReferenceError);
      assert.deepEqual(faults, [], "no fault of the client's own");
    });
  }

  start(options) {
    this.client = new Client("ws://gateway.test/ws", { WebSocket: this.WebSocket, ...options });
    this.client.on("state", (state) => this.states.push(state));
    this.client.on("error", (error) => this.errors.push(error));
    this.ready = this.client.connect();
    return flush();
  }

  get socket() {
    return this.sockets.at(-1);
  }

  // In small steps, so that what follows from a timer starts its own in time.
  async advance(ms) {
    for (let left = ms; left > 0; left -= 100) {
      this.timers.tick(Math.min(left, 100));
      await flush();
    }
  }

  // How long until the next attempt is made.
  async untilNextAttempt(limit = 120_000) {
    const before = this.sockets.length;
    for (let ms = 0; ms <= limit; ms += 10) {
      if (this.sockets.length > before) return ms;
      this.timers.tick(10);
      await flush();
    }
    return null;
  }

  async reconnect(more) {
    await this.untilNextAttempt();
    this.socket.accept(more);
    await flush();
  }
}

export const connected = async (t, options, more) => {
  const world = new World(t);
  await world.start(options);
  world.socket.accept(more);
  await flush();
  return world;
};

// What a promise came to, without waiting for it.
export const outcome = (promise) => {
  const seen = { state: "pending" };
  promise.then(
    (value) => Object.assign(seen, { state: "resolved", value }),
    (error) => Object.assign(seen, { state: "rejected", code: error.code, error }),
  );
  return seen;
};
