// A gateway of a few lines with a history, and a network that breaks at random points: nothing is lost, doubled or out
// of order. What happens follows from the seed, which is told when it fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../client.js";
import { flush } from "./scripted.mjs";

const RUNS = 2_000;

// mulberry32: small, and the same everywhere.
const dice = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

class ModelGateway {
  log = []; // of the one channel, with its history
  offsets = new Map(); // by eventId
  sockets = new Set();

  constructor(random) {
    this.random = random;
    const gateway = this;
    // What is on its way in either direction is lost with the connection.
    this.WebSocket = class {
      readyState = 0;
      up = [];
      down = [];
      isSubscribed = false;
      constructor() {
        gateway.sockets.add(this);
      }
      send(text) {
        this.up.push(JSON.parse(text));
      }
      close() {
        this.readyState = 3;
        gateway.sockets.delete(this);
      }
    };
  }

  open(socket) {
    socket.readyState = 1;
    socket.onopen?.();
    socket.down.push({ type: "connected", userId: "alice", heartbeatMs: 30_000 });
  }

  append(data, eventId) {
    const known = this.offsets.get(eventId);
    if (known) return known;
    const offset = this.log.push(data);
    this.offsets.set(eventId, offset);
    for (const socket of this.sockets) {
      if (!socket.isSubscribed) continue;
      // Some are left out for whoever is slow, who is told so.
      if (this.random() < 0.05) socket.down.push({ type: "gap", channel: "news", dropped: 1, epoch: "e", fromOffset: offset, toOffset: offset });
      else socket.down.push(this.message(offset, eventId));
    }
    return offset;
  }

  message(offset, eventId) {
    return { type: "message", channel: "news", data: this.log[offset - 1], offset, eventId };
  }

  receive(socket) {
    const { type, id, since, data, eventId } = socket.up.shift() ?? {};
    const answer = (message) => socket.down.push({ id, ...message });
    if (type === "ping") answer({ type: "pong" });
    else if (type === "subscribe") {
      if (this.random() < 0.1) return answer({ type: "error", code: "broker_unavailable" });
      socket.isSubscribed = true;
      answer({ type: "subscribed", channel: "news", epoch: "e", offset: this.log.length, recovered: since ? true : undefined });
      for (let offset = since?.offset + 1; offset <= this.log.length; offset++) socket.down.push(this.message(offset));
    } else if (type === "publish") {
      // A refusal may mean that it was kept, or that it was not.
      const isRefused = this.random() < 0.1;
      if (isRefused && this.random() < 0.5) return answer({ type: "error", code: "broker_unavailable", retryAfterMs: 10 });
      const offset = this.append(data, eventId);
      if (this.random() < 0.9) answer({ type: "ack", offset });
    }
  }

  deliver(socket) {
    const message = socket.down.shift();
    if (message) socket.onmessage?.({ data: JSON.stringify(message) });
  }

  cut(socket) {
    this.sockets.delete(socket);
    socket.readyState = 3;
    socket.onclose?.({ code: this.random() < 0.5 ? 1006 : 1012, reason: "" });
  }
}

const run = async (t, seed) => {
  const random = dice(seed);
  const chance = (share) => random() < share;
  const gateway = new ModelGateway(random);
  const client = new Client("ws://gateway.test/ws", {
    WebSocket: gateway.WebSocket,
    backoff: { base: 20, cap: 100 },
    ackTimeout: 400,
    queue: { inFlightMax: 1 },
  });
  const byCallback = [];
  const byLoop = [];
  const told = [];
  const subscribed = client.subscribe("news", { since: { epoch: "e", offset: 0 }, onMessage: ({ data }) => byCallback.push(data), onGap: (gap) => told.push(gap) });
  const looping = client.subscribe("news", { since: { epoch: "e", offset: 0 } });
  let isOver = false;
  const reading = looping.then(async (news) => {
    for await (const { type, data } of news) {
      if (type === "gap") told.push(type);
      else byLoop.push(data);
      if (chance(0.3)) await flush();
    }
    isOver = true;
  });
  const outcomes = [];
  let published = 0;
  const turn = async () => {
    for (const socket of [...gateway.sockets]) {
      if (socket.readyState === 0 && chance(0.7)) gateway.open(socket);
      for (let count = 0; count < 4; count++) {
        if (chance(0.7)) gateway.receive(socket);
        if (chance(0.7)) gateway.deliver(socket);
      }
    }
    t.mock.timers.tick(1 + Math.floor(random() * 30));
    await flush();
  };
  while (published < 12) {
    if (chance(0.5)) outcomes.push(client.publish("news", `mine ${++published}`).catch(({ code }) => code));
    if (chance(0.3)) gateway.append(`other ${gateway.log.length}`, `o${gateway.log.length}`);
    for (const socket of [...gateway.sockets]) if (chance(0.15)) gateway.cut(socket);
    await turn();
  }
  let isSettled = false;
  const settled = Promise.all(outcomes).then((all) => ((isSettled = true), all));
  for (let count = 0; count < 3_000 && !(isSettled && byCallback.length >= gateway.log.length && byLoop.length >= gateway.log.length); count++) await turn();
  const results = isSettled ? await settled : ["not settled"];
  await subscribed;
  client.close();
  await reading;
  assert.ok(isOver);
  assert.deepEqual(byCallback, gateway.log, "the subscriber by callbacks");
  assert.deepEqual(byLoop, gateway.log, "the subscriber by a loop");
  assert.deepEqual(told, [], "nothing is told that need not be");
  // One that was refused three times may be there or not; all others are there once, and all in their order.
  const mine = gateway.log.filter((data) => data.startsWith("mine"));
  const expected = results.map((result, index) => [`mine ${index + 1}`, result]);
  assert.deepEqual(
    mine,
    expected.filter(([data, result]) => result.type === "ack" || mine.includes(data)).map(([data]) => data),
    "the publisher",
  );
  for (const [data, result] of expected) assert.ok(result.type === "ack" || result === "broker_unavailable", `${data}: ${JSON.stringify(result)}`);
};

test("random mishaps lose nothing and double nothing", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const first = Number(process.env.WS_TEST_SEED ?? 1);
  const runs = process.env.WS_TEST_SEED ? 1 : RUNS;
  let seed = first;
  const jitter = dice(first);
  t.mock.method(Math, "random", jitter);
  for (; seed < first + runs; seed++) {
    try {
      await run(t, seed);
    } catch (error) {
      throw new Error(`WS_TEST_SEED=${seed}: ${error.message}`, { cause: error });
    }
  }
});
