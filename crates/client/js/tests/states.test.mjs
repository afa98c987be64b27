import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, flush, outcome, World } from "./scripted.mjs";

test("states go from connecting over authenticating to connected", async (t) => {
  const world = new World(t);
  const { ready } = await world.start().then(() => world);
  const seen = outcome(ready);
  assert.deepEqual(world.states, ["connecting"]);
  world.socket.open();
  assert.deepEqual(world.states, ["connecting", "authenticating"]);
  await flush();
  assert.equal(seen.state, "pending");
  world.socket.say({ type: "connected", userId: "alice", heartbeatMs: 30_000 });
  await flush();
  assert.deepEqual(world.states, ["connecting", "authenticating", "connected"]);
  assert.equal(world.client.state, "connected");
  assert.equal(world.client.userId, "alice");
  assert.equal(seen.state, "resolved");
});

test("a lost connection is reconnecting and then connected again", async (t) => {
  const world = await connected(t);
  world.states.length = 0;
  world.socket.end(1006);
  assert.deepEqual(world.states, ["reconnecting"]);
  await world.reconnect();
  assert.deepEqual(world.states, ["reconnecting", "connecting", "authenticating", "connected"]);
});

test("ones own close ends as disconnected and nothing follows", async (t) => {
  const world = await connected(t);
  const subscription = world.client.subscribe("news");
  world.socket.subscribed();
  const news = await subscription;
  const waiting = outcome(world.client.publish("news", 1));
  const read = outcome(news[Symbol.asyncIterator]().next());
  world.client.close();
  await flush();
  assert.equal(world.client.state, "disconnected");
  assert.equal(world.socket.closed.code, 1000);
  assert.equal(waiting.code, "closed");
  assert.deepEqual(read.value, { value: undefined, done: true });
  assert.equal(await world.untilNextAttempt(), null);
  assert.equal(outcome(world.client.publish("news", 2)).state, "pending");
  await assert.rejects(world.client.publish("news", 2), { code: "closed" });
  await assert.rejects(world.client.subscribe("news"), { code: "closed" });
  assert.equal(world.client.stopped.code, 1000);
});

test("it may be closed in every state and connected anew", async (t) => {
  const world = new World(t);
  const steps = [() => {}, () => world.socket.open(), () => world.socket.accept(), () => world.socket.end(1006)];
  for (let count = 0; count <= steps.length; count++) {
    await world.start();
    for (const step of steps.slice(0, count)) step();
    const ready = outcome(world.ready);
    world.client.close();
    world.client.close();
    assert.equal(world.client.state, "disconnected");
    assert.equal(await world.untilNextAttempt(40_000), null);
    assert.equal(ready.state, count > 2 ? "resolved" : "rejected");
    const again = outcome(world.client.connect());
    await flush();
    world.socket.accept();
    await flush();
    assert.equal(again.state, "resolved");
    assert.equal(world.client.state, "connected");
    world.client.close();
  }
  await world.start();
  world.client.close();
  world.sockets.forEach((socket) => socket.end(1006));
  assert.equal(await world.untilNextAttempt(40_000), null, "nor by what comes late");
});

test("metrics count what was sent received and failed and how often it was tried", async (t) => {
  const world = new World(t);
  await world.start();
  assert.deepEqual(world.client.metrics, {
    connectedAt: null,
    lastMessageAt: null,
    messagesSent: 0,
    messagesReceived: 0,
    errors: 0,
    reconnectAttempts: 0,
  });
  world.socket.end(1006);
  await world.untilNextAttempt();
  assert.equal(world.client.metrics.reconnectAttempts, 1);
  assert.equal(world.client.metrics.errors, 1);
  const now = Date.now();
  world.socket.accept();
  const { connectedAt, lastMessageAt, messagesReceived, reconnectAttempts } = world.client.metrics;
  assert.deepEqual({ connectedAt, lastMessageAt, messagesReceived, reconnectAttempts }, { connectedAt: now, lastMessageAt: now, messagesReceived: 1, reconnectAttempts: 0 });
  await world.advance(500);
  world.client.publish("news", 1);
  world.socket.refuse("publish", "forbidden");
  assert.equal(world.client.metrics.messagesSent, 1);
  assert.equal(world.client.metrics.messagesReceived, 2);
  assert.equal(world.client.metrics.lastMessageAt, now + 500);
  assert.equal(world.client.metrics.errors, 2);
});

test("a fresh token is asked for with each attempt", async (t) => {
  let count = 0;
  const world = await connected(t, { token: async () => `token-${++count}` });
  assert.deepEqual(world.socket.protocols, ["ws-gateway.v1", "bearer.token-1"]);
  world.socket.end(1006);
  await world.untilNextAttempt();
  assert.deepEqual(world.socket.protocols, ["ws-gateway.v1", "bearer.token-2"]);
  world.socket.end(1006);
  await world.untilNextAttempt();
  assert.deepEqual(world.socket.protocols, ["ws-gateway.v1", "bearer.token-3"]);
});

test("a token that runs out is replaced on the living connection", async (t) => {
  let count = 0;
  const world = await connected(t, { token: async () => `token-${++count}` });
  world.socket.say({ type: "token_expiring", expiresAt: Date.now() + 30_000 });
  await flush();
  assert.equal(world.socket.take("auth").token, "token-2");
  world.socket.say({ type: "authenticated", success: true, userId: "alice", id: "auth" });
  world.socket.say({ type: "token_expiring", expiresAt: Date.now() + 30_000 });
  await flush();
  world.socket.refuse("auth", "token_expired");
  assert.equal(world.errors.at(-1).code, "token_expired", "one that does not hold is told");
  assert.equal(world.sockets.length, 1);
  assert.equal(world.client.state, "connected");
});

test("a token may go as the first message", async (t) => {
  for (const options of [{ tokenIn: "message" }, { sessionId: "phone-1" }]) {
    const world = new World(t);
    await world.start({ token: () => "secret", ...options });
    assert.deepEqual(world.socket.protocols, []);
    world.client.publish("news", 1);
    world.socket.accept({ userId: undefined });
    await flush();
    assert.equal(world.client.state, "authenticating");
    const { token, sessionId } = world.socket.take("auth");
    assert.deepEqual([token, sessionId], ["secret", options.sessionId]);
    assert.deepEqual(world.socket.sent, [], "nothing goes before it is answered");
    world.socket.say({ type: "authenticated", success: true, userId: "alice", id: "auth" });
    assert.equal(world.client.state, "connected");
    assert.equal(world.client.userId, "alice");
    world.socket.take("publish");
    world.client.close();
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});

test("a token where nobody has to say who they are does no harm", async (t) => {
  const world = new World(t);
  await world.start({ token: "secret" });
  world.socket.accept({ userId: undefined });
  await flush();
  world.socket.refuse("auth", "unsupported");
  assert.equal(world.client.state, "connected");
});

test("a failing token source is tried again", async (t) => {
  let count = 0;
  const token = async () => {
    if (++count < 3) throw new Error("no network");
    return "secret";
  };
  const world = new World(t);
  await world.start({ token });
  assert.equal(world.client.state, "reconnecting");
  await world.untilNextAttempt();
  assert.equal(count, 3);
  assert.deepEqual(world.socket.protocols, ["ws-gateway.v1", "bearer.secret"]);
  world.socket.accept();
  await flush();
  count = 0;
  world.socket.say({ type: "token_expiring" });
  await flush();
  assert.equal(world.errors.at(-1).message, "no network");
  world.socket.end(3000, "Token expired");
  await world.untilNextAttempt();
  assert.deepEqual(world.socket.protocols, ["ws-gateway.v1", "bearer.secret"], "and when the old one has run out");
});

test("an attempt that takes too long is given up", async (t) => {
  const hanging = [
    [{ token: () => new Promise(() => {}) }, () => {}],
    [{}, () => {}],
    [{}, (world) => world.socket.open()],
    [{ token: "secret" }, (world) => world.socket.accept({ userId: undefined })],
  ];
  for (const [options, step] of hanging) {
    const world = new World(t);
    await world.start(options);
    step(world);
    await world.advance(9_900);
    assert.notEqual(world.client.state, "reconnecting");
    await world.advance(100);
    assert.equal(world.client.state, "reconnecting");
    if (world.socket) assert.ok(world.socket.closed, "the socket is let go");
    world.client.close();
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});
