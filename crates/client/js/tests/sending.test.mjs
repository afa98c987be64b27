import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, flush, outcome, World } from "./scripted.mjs";

test("what is sent while offline is kept and sent", async (t) => {
  const world = new World(t);
  await world.start();
  const all = [
    world.client.publish("news", 1),
    world.client.request("question"),
    world.client.sendDirectMessage("bob", "hi"),
    world.client.send({ type: "heartbeat" }),
  ];
  world.socket.open();
  assert.deepEqual(world.socket.sent, [], "nothing goes before `connected`");
  world.socket.accept();
  await flush();
  world.socket.ack({ offset: 1 });
  world.socket.say({ type: "response", requestId: world.socket.take("request").requestId, payload: "answer" });
  world.socket.say({ type: "ack", messageId: "m", ...world.socket.answer("chat") });
  world.socket.take("heartbeat");
  assert.deepEqual((await Promise.all(all)).map((value) => value?.offset ?? value?.messageId ?? value), [1, "answer", "m", undefined]);
});

test("the first use connects", async (t) => {
  const world = new World(t);
  const { Client } = await import("../client.js");
  world.client = new Client("ws://gateway.test/ws", { WebSocket: world.WebSocket });
  assert.equal(world.client.state, "disconnected");
  world.client.publish("news", 1);
  await flush();
  world.socket.accept();
  assert.equal(world.socket.all("publish").length, 1);
});

test("a full queue refuses at once", async (t) => {
  const world = new World(t);
  await world.start();
  const all = Array.from({ length: 1_000 }, (_, index) => outcome(world.client.publish("news", index)));
  await assert.rejects(world.client.publish("news", "one more"), { code: "queue_full" });
  const urgent = outcome(world.client.publish("news", "urgent", { priority: "critical" }));
  await flush();
  assert.ok(all.every(({ state }) => state === "pending"));
  assert.equal(urgent.state, "pending", "each priority has its own bound");
  await assert.rejects(world.client.publish("news", "x".repeat(2 ** 20), { priority: "high" }), { code: "queue_full" });
  world.client.close();
  const other = new World(fresh(t));
  await other.start({ queue: { entriesMax: 2, bytesMax: 300 } });
  const first = outcome(other.client.publish("news", "x".repeat(100)));
  await assert.rejects(other.client.publish("news", "x".repeat(200), { priority: "low" }), { code: "queue_full" });
  other.socket.accept();
  other.socket.ack();
  await flush();
  assert.equal(first.state, "resolved");
  const next = outcome(other.client.publish("news", "x".repeat(150)));
  await flush();
  assert.equal(next.state, "pending", "what was sent makes room");
  other.client.close();
});

const fresh = (t) => {
  t.mock.timers.reset();
  t.mock.restoreAll();
  return t;
};

// What was published, in the order in which it went out, when each is acked at once.
const serve = async (world) => {
  const seen = [];
  while (world.socket.all("publish").length) {
    seen.push(world.socket.ack().data);
    await flush();
  }
  return seen;
};

test("higher priorities go first", async (t) => {
  const world = new World(t);
  await world.start();
  for (const priority of ["low", "normal", "high", "critical"]) {
    for (let index = 0; index < 2; index++) world.client.send({ type: priority + index }, { priority });
  }
  world.socket.accept();
  assert.deepEqual(
    world.socket.sent.map(({ type }) => type),
    ["critical0", "critical1", "high0", "high1", "normal0", "normal1", "low0", "low1"],
  );
  await assert.rejects(world.client.publish("news", 1, { priority: "urgent" }), { code: "invalid" });
});

test("low priority is never starved", async (t) => {
  const world = new World(t);
  await world.start();
  const priorities = ["critical", "high", "normal", "low"];
  for (const priority of priorities) for (let index = 0; index < 200; index++) world.client.send({ type: priority }, { priority });
  world.socket.accept();
  const order = world.socket.sent.map(({ type }) => type);
  assert.equal(order.length, 800);
  for (const priority of priorities) {
    let passed = 0;
    let left = 200;
    for (const type of order) {
      passed = type === priority ? 0 : passed + 1;
      if (type === priority) left--;
      if (left) assert.ok(passed <= 8, `${priority} is passed over ${passed} times`);
    }
  }
  assert.ok(order.lastIndexOf("critical") < order.lastIndexOf("low"));
});

test("a publish resolves when it is acked", async (t) => {
  const world = await connected(t);
  const first = outcome(world.client.publish("news", { a: 1 }, { event: "created", eventId: "e-1" }));
  const second = outcome(world.client.publish("news", undefined));
  await flush();
  assert.equal(first.state, "pending");
  assert.equal(world.socket.all("publish").length, 1, "one at a time, so that their order holds");
  const { channel, event, data, eventId } = world.socket.ack({ offset: 7 });
  assert.deepEqual({ channel, event, data, eventId }, { channel: "news", event: "created", data: { a: 1 }, eventId: "e-1" });
  await flush();
  assert.equal(first.value.offset, 7);
  assert.equal(second.state, "pending");
  const { data: empty, eventId: random } = world.socket.ack();
  assert.equal(empty, null);
  assert.match(random, /^\d+(,\d+){3}$/);
});

test("more than one publish may be on its way", async (t) => {
  const world = await connected(t, { queue: { inFlightMax: 3 } });
  for (let index = 0; index < 5; index++) world.client.publish("news", index);
  assert.equal(world.socket.all("publish").length, 3);
  world.socket.ack();
  assert.deepEqual(world.socket.all("publish").map(({ data }) => data), [1, 2, 3]);
});

test("a publish survives a cut and is there once", async (t) => {
  const world = await connected(t);
  const sending = outcome(world.client.publish("news", 1));
  const ids = [];
  for (let index = 0; index < 10; index++) {
    ids.push(world.socket.take("publish").eventId);
    world.socket.end(1006);
    await world.reconnect();
  }
  assert.equal(new Set(ids).size, 1, "each time by the same name");
  world.socket.ack();
  await flush();
  assert.equal(sending.state, "resolved");
  const silent = outcome(world.client.publish("news", 2));
  const { id, eventId } = world.socket.take("publish");
  await world.advance(9_900);
  assert.deepEqual(world.socket.all("publish"), []);
  await world.advance(100);
  assert.equal(world.socket.all("publish")[0].eventId, eventId, "and where the ack does not come");
  world.socket.say({ type: "ack", id });
  await flush();
  assert.equal(silent.state, "resolved");
});

test("a publish keeps its order over retries", async (t) => {
  const world = await connected(t);
  for (let index = 1; index <= 4; index++) world.client.publish("news", index);
  const other = outcome(world.client.publish("news", "low", { priority: "low" }));
  world.socket.refuse("publish", "broker_unavailable");
  await flush();
  assert.deepEqual(world.socket.all("publish").map(({ data }) => data), ["low"], "the rest waits behind it");
  world.socket.ack();
  await world.advance(900);
  assert.deepEqual(world.socket.sent, []);
  await world.advance(100);
  assert.deepEqual(world.socket.all("publish").map(({ data }) => data), [1]);
  world.socket.refuse("publish", "rate_limited", { retryAfterMs: 4_000 });
  await world.advance(3_900);
  assert.deepEqual(world.socket.sent, []);
  await world.advance(100);
  world.socket.end(1006);
  await world.reconnect();
  assert.deepEqual(await serve(world), [1, 2, 3, 4]);
  assert.equal(other.state, "resolved");
});

test("a publish that is refused three times fails", async (t) => {
  const world = await connected(t);
  const first = outcome(world.client.publish("news", 1));
  const second = outcome(world.client.publish("news", 2));
  world.socket.refuse("publish", "broker_unavailable");
  await world.advance(1_000);
  world.socket.refuse("publish", "broker_unavailable");
  await world.advance(1_900);
  assert.deepEqual(world.socket.sent, []);
  await world.advance(100);
  world.socket.refuse("publish", "broker_unavailable", { message: "away" });
  await flush();
  assert.deepEqual([first.code, first.error.message], ["broker_unavailable", "away"]);
  world.socket.ack();
  await flush();
  assert.equal(second.state, "resolved");
});

test("a publish that is forbidden fails at once", async (t) => {
  const world = await connected(t);
  const sending = world.client.publish("news", 1);
  world.socket.refuse("publish", "forbidden", { message: "no rule allows this channel", retryAfterMs: undefined });
  await assert.rejects(sending, { name: "GatewayError", code: "forbidden", message: "no rule allows this channel" });
});

test("a request resolves with its response", async (t) => {
  const world = await connected(t);
  const all = [world.client.request({ a: 1 }), world.client.request(), world.client.request("fails")];
  const [first, second, third] = world.socket.all("request");
  assert.deepEqual([first.payload, second.payload], [{ a: 1 }, null]);
  world.socket.say({ type: "response", requestId: second.requestId, payload: 2 });
  world.socket.say({ type: "response", requestId: first.requestId, payload: 1 });
  world.socket.say({ type: "error", requestId: third.requestId, code: "upstream_failed", message: "The upstream failed" });
  assert.deepEqual(await Promise.all(all.slice(0, 2)), [1, 2]);
  await assert.rejects(all[2], { code: "upstream_failed" });
});

test("a request that takes too long fails", async (t) => {
  const world = new World(t);
  await world.start();
  const asked = outcome(world.client.request(1));
  const brief = outcome(world.client.request(2, { timeout: 3_000 }));
  await world.advance(3_000);
  assert.equal(brief.code, "timed_out", "with a timeout of its own while it waits, too");
  await world.advance(6_000);
  world.socket.accept();
  await world.advance(9_900);
  assert.equal(asked.state, "pending", "counted from when it was sent");
  await world.advance(100);
  assert.equal(asked.code, "timed_out");
  assert.equal(world.socket.all("request").length, 1);
});

test("a request whose connection is cut fails as unconfirmed", async (t) => {
  const world = await connected(t);
  const all = [world.client.request(1), world.client.sendDirectMessage("bob", "hi")].map(outcome);
  const waiting = outcome(world.client.sendRoomMessage("lobby", "not sent yet"));
  world.socket.end(1006);
  await flush();
  assert.deepEqual(all.map(({ code }) => code), ["unconfirmed", "unconfirmed"]);
  await world.reconnect();
  world.socket.say({ type: "ack", ...world.socket.answer("room_message") });
  await flush();
  assert.equal(waiting.state, "resolved");
});

test("an unconfirmed message is sent again if it may be", async (t) => {
  const world = await connected(t);
  const asked = outcome(world.client.request(1, { resend: true }));
  const sent = outcome(world.client.sendDirectMessage("bob", "hi", { resend: true }));
  world.socket.end(1006);
  await world.reconnect();
  world.socket.say({ type: "response", requestId: world.socket.take("request").requestId, payload: "yes" });
  world.socket.say({ type: "ack", ...world.socket.answer("chat") });
  await flush();
  assert.deepEqual([asked.value, sent.state], ["yes", "resolved"]);
});

test("typing is not kept", async (t) => {
  const world = new World(t);
  await world.start();
  world.client.typing("lobby");
  world.socket.accept();
  assert.deepEqual(world.socket.sent, []);
  world.client.typing("lobby");
  assert.equal(world.socket.all("typing").length, 1);
  world.socket.end(1006);
  world.client.typing("lobby");
  await world.reconnect();
  assert.deepEqual(world.socket.sent, []);
});

test("thousands that waited are written at once", async (t) => {
  const world = new World(t);
  await world.start();
  const all = ["critical", "high", "normal", "low"].flatMap((priority) =>
    Array.from({ length: 1_000 }, () => world.client.send({ type: "heartbeat" }, { priority })),
  );
  world.socket.accept();
  assert.equal(world.socket.all("heartbeat").length, 4_000);
  await Promise.all(all);
  world.client.send({ type: "heartbeat" });
  assert.equal(world.socket.all("heartbeat").length, 4_001, "and make room");
});
