import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, flush, outcome, World } from "./scripted.mjs";

// The delays of so many failures in a row, with dice that always show the same.
const delays = async (t, random, count, backoff) => {
  const world = new World(t);
  world.random = random;
  await world.start({ backoff });
  const seen = [];
  for (let index = 0; index < count; index++) {
    world.socket.end(1006);
    seen.push(await world.untilNextAttempt());
  }
  world.client.close();
  t.mock.timers.reset();
  t.mock.restoreAll();
  return seen;
};

test("the delays grow to the cap and are spread over all of it", async (t) => {
  assert.deepEqual(await delays(t, 1, 7), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.deepEqual(await delays(t, 0.5, 7), [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  assert.deepEqual(await delays(t, 0, 3), [10, 10, 10]);
  assert.deepEqual(await delays(t, 0, 3, { jitter: "equal" }), [500, 1_000, 2_000]);
  assert.deepEqual(await delays(t, 0, 3, { jitter: "none", base: 200, cap: 500 }), [200, 400, 500]);
});

test("attempts that are bounded end in error", async (t) => {
  const world = new World(t);
  await world.start({ backoff: { attemptsMax: 3 } });
  const ready = outcome(world.ready);
  const waiting = outcome(world.client.publish("news", 1));
  for (let index = 0; index < 4; index++) {
    assert.notEqual(world.client.state, "error");
    world.socket.end(1006);
    await world.untilNextAttempt(10_000);
  }
  assert.equal(world.sockets.length, 4, "the first and three more");
  assert.equal(world.client.state, "error");
  assert.match(world.client.stopped.reason, /used up/);
  assert.equal(ready.code, "closed");
  assert.equal(waiting.code, "closed");
});

test("a healthy period makes the next attempt the first again", async (t) => {
  const world = await connected(t);
  for (const [isHealthyFor, delay] of [
    [0, 1_000],
    [9_900, 2_000],
    [10_000, 1_000],
    [9_900, 2_000],
  ]) {
    await world.advance(isHealthyFor);
    world.socket.end(1006);
    assert.equal(await world.untilNextAttempt(), delay);
    world.socket.accept();
    await flush();
  }
});

test("after 1000 it does not come back", async (t) => {
  const world = await connected(t);
  world.socket.end(1000, "Bye");
  assert.equal(world.client.state, "disconnected");
  assert.deepEqual([world.client.stopped.code, world.client.stopped.reason], [1000, "Bye"]);
  assert.equal(await world.untilNextAttempt(), null);
});

test("after 1008 it stops and says why", async (t) => {
  const world = await connected(t);
  const subscription = world.client.subscribe("news");
  world.socket.subscribed();
  const reader = outcome((await subscription)[Symbol.asyncIterator]().next());
  const waiting = outcome(world.client.publish("news", 1));
  await flush();
  world.socket.end(1008, "Too many connections");
  await flush();
  assert.equal(world.client.state, "error");
  assert.deepEqual([world.client.stopped.code, world.client.stopped.reason], [1008, "Too many connections"]);
  assert.match(waiting.error.message, /unconfirmed|Too many connections/);
  assert.equal(reader.code, "closed");
  assert.match(reader.error.message, /1008 Too many connections/);
  await assert.rejects(world.client.publish("news", 1), { code: "closed", message: "1008 Too many connections" });
  assert.equal(await world.untilNextAttempt(), null);
});

test("after 1012 it comes back", async (t) => {
  for (const code of [1012, 1001, 1006]) {
    const world = await connected(t);
    world.random = 0.3;
    world.socket.end(code);
    assert.equal(await world.untilNextAttempt(), 300, code);
    world.client.close();
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});

test("after 1013 it waits at least the base", async (t) => {
  for (const code of [1013, 1002, 1005, 1009, 1011, 4001, 3999, 4010, 4401]) {
    const world = await connected(t);
    world.random = 0.3;
    world.socket.end(code);
    assert.equal(await world.untilNextAttempt(), 1_000, code);
    world.client.close();
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});

test("after 3000 it fetches a token and is back at once", async (t) => {
  let count = 0;
  const world = await connected(t, { token: () => `token-${++count}` });
  world.socket.end(3000, "Token expired");
  assert.ok((await world.untilNextAttempt()) <= 10);
  assert.deepEqual(world.socket.protocols, ["ws-gateway.v1", "bearer.token-2"]);
  world.socket.accept();
  await flush();
  world.socket.end(3000, "Token expired");
  assert.ok((await world.untilNextAttempt()) >= 1_000, "the second time in a row it waits");
  world.socket.accept();
  await world.advance(10_000);
  world.socket.end(3000, "Token expired");
  assert.ok((await world.untilNextAttempt()) <= 10, "after a healthy period it is the first time again");
});

test("a goodbye says when to come back", async (t) => {
  const world = await connected(t);
  const heard = [];
  world.client.on("goodbye", (message) => heard.push(message.reconnectAfterMs));
  world.random = 0.2;
  world.socket.say({ type: "goodbye", reconnectAfterMs: 4_320 });
  world.socket.end(1012);
  assert.equal(await world.untilNextAttempt(), 4_320);
  assert.deepEqual(heard, [4_320]);
  world.socket.accept();
  await flush();
  world.socket.end(1012);
  assert.equal(await world.untilNextAttempt(), 400, "it is said for once");
});

test("a refused upgrade of 401 is tried once more with a fresh token", async (t) => {
  let count = 0;
  const world = new World(t);
  await world.start({ token: () => `token-${++count}` });
  const refused = { status: 401, code: "invalid_token", message: "Token expired" };
  world.socket.end(1006, "", refused);
  assert.ok((await world.untilNextAttempt()) <= 10);
  assert.deepEqual(world.socket.protocols, ["ws-gateway.v1", "bearer.token-2"]);
  world.socket.end(1006, "", refused);
  assert.equal(world.client.state, "error");
  assert.deepEqual([world.client.stopped.code, world.client.stopped.reason], [401, "Token expired"]);
  assert.equal(await world.untilNextAttempt(), null);
});

test("a refused upgrade of 404 stops", async (t) => {
  for (const status of [400, 403, 404, 405, 410, 426, 451]) {
    const world = new World(t);
    await world.start();
    world.socket.end(1006, "", { status, message: "Nothing is here" });
    assert.equal(world.client.state, "error", status);
    assert.deepEqual([world.client.stopped.code, world.client.stopped.reason], [status, "Nothing is here"]);
    assert.equal(await world.untilNextAttempt(20_000), null);
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});

test("a refused upgrade of 503 waits as long as it was told", async (t) => {
  for (const status of [503, 429, 408, 425, 500, 502]) {
    const world = new World(t);
    world.random = 0.5;
    await world.start();
    world.socket.end(1006, "", { status, retryAfterMs: 7_000 });
    assert.equal(await world.untilNextAttempt(), 7_000, status);
    world.client.close();
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});
