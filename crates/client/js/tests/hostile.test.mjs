import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../client.js";
import { connected, flush, outcome, World } from "./scripted.mjs";

const NONSENSE = [
  "",
  "{",
  "null",
  "5",
  '"text"',
  "[]",
  "{}",
  '{"type":null}',
  '{"type":{}}',
  '{"type":"constructor"}',
  '{"type":"__proto__"}',
  '{"type":"error"}',
  '{"type":"error","code":5,"retryAfterMs":"soon"}',
  '{"type":"ack"}',
  '{"type":"ack","id":{}}',
  '{"type":"response","requestId":"__proto__"}',
  '{"type":"subscribed"}',
  '{"type":"subscribed","id":"c999","channel":"x","epoch":{},"offset":"many"}',
  '{"type":"unsubscribed"}',
  '{"type":"unsubscribed","channel":[]}',
  '{"type":"message"}',
  '{"type":"message","channel":5,"offset":"x"}',
  '{"type":"message","channel":"news","offset":-5}',
  '{"type":"message","channel":"news","offset":"9e99"}',
  '{"type":"room_message"}',
  '{"type":"user_joined","room_id":{}}',
  '{"type":"presence"}',
  '{"type":"presence","channel":"news","id":"x"}',
  '{"type":"gap"}',
  '{"type":"gap","channel":"*"}',
  '{"type":"gap","channel":"news","epoch":5}',
  '{"type":"chat"}',
  '{"type":"chat","messageId":{}}',
  '{"type":"authenticated"}',
  '{"type":"connected"}',
  '{"type":"token_expiring"}',
];

test("nonsense breaks nothing in any state", async (t) => {
  const world = new World(t);
  await world.start({ token: "secret" });
  world.client.on("chat", () => {});
  const nonsense = () => NONSENSE.forEach((text) => world.socket.say(text));
  const news = world.client.subscribe("news", { onMessage() {} });
  world.socket.open();
  world.socket.say("{");
  assert.equal(world.client.state, "authenticating");
  world.socket.say({ type: "message", channel: "news", data: 1 });
  world.socket.say({ type: "chat", messageId: "m", message: "early" });
  world.socket.say({ type: "ack", id: "c1" });
  await flush();
  assert.deepEqual(world.socket.sent, [], "what comes before `connected` is not for anybody");
  world.socket.say({ type: "connected", userId: "alice" });
  nonsense();
  world.socket.subscribed();
  nonsense();
  await news;
  const sent = outcome(world.client.publish("news", 1));
  nonsense();
  world.socket.ack();
  await flush();
  assert.equal(sent.state, "resolved");
  assert.equal(world.client.state, "connected");
  world.socket.say({ type: "goodbye", reconnectAfterMs: "later" });
  world.socket.end(1012);
  await world.reconnect();
  assert.equal(world.client.state, "connected");
});

test("a delay beyond what a timer can wait is not none", async (t) => {
  const world = await connected(t);
  world.socket.say({ type: "goodbye", reconnectAfterMs: 1e12 });
  world.socket.end(1012);
  assert.equal(await world.untilNextAttempt(), null);
});

test("what handlers throw is told and breaks nothing", async (t) => {
  const world = await connected(t);
  const thrower = () => {
    throw new Error("mine");
  };
  const rejecter = async () => thrower();
  const heard = [];
  for (const handler of [thrower, rejecter]) {
    for (const event of ["state", "chat", "goodbye", "gap", "other"]) world.client.on(event, handler);
    const options = { onMessage: handler, onGap: handler, onEnd: handler };
    world.client.subscribe("news", options);
    if (handler === thrower) world.socket.subscribed();
  }
  world.client.subscribe("news", { onMessage: ({ data }) => heard.push(data) });
  world.socket.say({ type: "message", channel: "news", data: 1 });
  world.socket.say({ type: "gap", channel: "news", dropped: 1 });
  world.socket.say({ type: "something" });
  world.socket.say({ type: "chat", messageId: "m" });
  world.socket.say({ type: "goodbye" });
  world.socket.end(1006);
  await world.reconnect();
  world.socket.subscribed();
  world.socket.say({ type: "message", channel: "news", data: 2 });
  world.socket.say({ type: "unsubscribed", channel: "news" });
  await flush();
  assert.deepEqual(heard, [1, 2]);
  assert.ok(world.errors.filter(({ message }) => message === "mine").length >= 20);
});

test("a handler of errors that throws does not call itself", async (t) => {
  const world = await connected(t);
  const told = t.mock.method(console, "error", () => {});
  world.client.on("error", () => {
    throw new Error("even this");
  });
  world.socket.say("{");
  await flush();
  assert.equal(told.mock.callCount(), 1);
  assert.equal(world.client.state, "connected");
});

test("handlers may close and unsubscribe from within", async (t) => {
  for (const state of ["connecting", "authenticating", "connected", "reconnecting"]) {
    const world = new World(t);
    world.client = new Client("ws://gateway.test/ws", { WebSocket: world.WebSocket });
    world.client.on("state", (now) => now === state && world.client.close());
    world.client.subscribe("news");
    await flush();
    world.socket?.accept();
    world.socket?.end(1006);
    await flush();
    assert.equal(world.client.state, "disconnected", state);
    assert.equal(await world.untilNextAttempt(20_000), null);
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
  const world = await connected(t);
  let last;
  const options = { onMessage: () => last.unsubscribe() };
  const subscriptions = [world.client.subscribe("news", options)];
  world.socket.subscribed();
  for (let index = 0; index < 3; index++) subscriptions.push(world.client.subscribe("news", options));
  const all = await Promise.all(subscriptions);
  last = all[0];
  world.socket.say({ type: "message", channel: "news" });
  for (last of all) last.unsubscribe();
  assert.equal(world.socket.all("unsubscribe").length, 1);
});

test("a handler of errors may close", async (t) => {
  const world = await connected(t);
  world.client.on("error", () => world.client.close());
  world.socket.end(1006);
  assert.equal(world.client.state, "disconnected");
  assert.equal(await world.untilNextAttempt(20_000), null);
  world.client.connect();
  await flush();
  world.socket.accept();
  assert.equal(world.client.state, "connected");
  world.socket.say("{");
  assert.equal(world.client.state, "disconnected");
});

test("a socket that cannot be made is an attempt that failed", async (t) => {
  const world = new World(t);
  let count = 0;
  const { WebSocket } = world;
  await world.start({
    WebSocket: class extends WebSocket {
      constructor(...args) {
        if (++count === 1) throw new SyntaxError("not a protocol");
        super(...args);
      }
    },
  });
  assert.equal(world.client.state, "reconnecting");
  await world.reconnect();
  assert.equal(world.client.state, "connected");
});

test("what cannot be said is refused and nothing else", async (t) => {
  const world = await connected(t);
  const circle = {};
  circle.self = circle;
  for (let count = 0; count < 1_001; count++) {
    for (const data of [circle, 5n]) await assert.rejects(world.client.publish("news", data), { code: "invalid" });
  }
  await assert.rejects(world.client.publish("news", 1, { priority: "" }), { code: "invalid" });
  assert.throws(() => new Client("not a URL"), TypeError);
  const sent = outcome(world.client.publish("news", 1));
  world.socket.ack();
  await flush();
  assert.equal(sent.state, "resolved");
});

test("what old sockets still say is not heard", async (t) => {
  const world = await connected(t);
  const old = world.socket;
  const { onclose } = old;
  await world.advance(35_000);
  await world.reconnect();
  onclose({ code: 1008, reason: "late" });
  old.say({ type: "goodbye", reconnectAfterMs: 60_000 });
  assert.equal(world.client.state, "connected");
  world.socket.end(1012);
  assert.ok((await world.untilNextAttempt()) < 60_000);
});

test("nobody has to look at any promise", async (t) => {
  const world = new World(t);
  await world.start();
  world.client.publish("news", 1, { timeout: 10 });
  world.client.request(1, { timeout: 10 });
  world.client.sendDirectMessage("bob", 1, { priority: "none" });
  world.client.presence("news");
  world.client.subscribe("news");
  world.client.joinRoom("lobby");
  await world.advance(100);
  world.client.close();
  world.client.publish("news", 1);
  world.client.request(1);
  world.client.subscribe("news");
  world.client.joinRoom("lobby");
  await flush();
  await flush();
});

test("nothing is left running after a close", async (t) => {
  const world = await connected(t, { token: () => "secret" });
  world.client.publish("news", 1, { timeout: 60_000 });
  world.client.request(1);
  world.client.subscribe("news");
  world.socket.refuse("subscribe", "channel_full");
  await flush();
  world.client.close();
  const before = world.sockets.length;
  await world.advance(400_000);
  assert.equal(world.sockets.length, before);
  assert.deepEqual(world.client.state, "disconnected");
});
