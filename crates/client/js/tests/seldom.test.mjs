import assert from "node:assert/strict";
import { test } from "node:test";
import { Pool, WebSocketClient } from "../index.js";
import { connected, flush, outcome, World } from "./scripted.mjs";

const loops = async (world, count) => {
  const pending = world.client.subscribe("news");
  world.socket.subscribed({});
  const news = await pending;
  return Array.from({ length: count }, () => news[Symbol.asyncIterator]());
};

test("several loops over one subscription share what comes", async (t) => {
  const world = await connected(t);
  const waiting = (await loops(world, 3)).map((loop) => outcome(loop.next()));
  for (const data of [1, 2, 3]) {
    await flush();
    world.socket.say({ type: "message", channel: "news", data });
  }
  await flush();
  const taken = waiting.map(({ value }) => value?.value.data);
  assert.deepEqual(taken.sort(), [1, 2, 3]);
});

test("several loops over one subscription all end with it", async (t) => {
  const world = await connected(t);
  const waiting = (await loops(world, 2)).map((loop) => outcome(loop.next()));
  await flush();
  world.client.close();
  await flush();
  for (const { value } of waiting) assert.deepEqual(value, { done: true, value: undefined });
});

test("channels that are full keep no other channel from being asked for", async (t) => {
  const world = await connected(t);
  for (let index = 0; index <= 32; index++) world.client.subscribe(`c${index}`);
  const publishing = outcome(world.client.publish("news", 1));
  for (let index = 0; index < 32; index++) world.socket.refuse("subscribe", "channel_full");
  assert.equal(world.socket.take("subscribe").channel, "c32");
  world.socket.ack();
  await flush();
  assert.equal(publishing.state, "resolved");
});

test("nothing to say is not said", async (t) => {
  const world = new World(t);
  await world.start({ queue: { entriesMax: 1 } });
  for (const nothing of [undefined, () => {}, { toJSON: () => undefined }])
    await assert.rejects(world.client.send(nothing), { code: "invalid" });
  const sending = outcome(world.client.send({ type: "something" }));
  world.socket.accept();
  await flush();
  assert.deepEqual([sending.state, world.socket.log], ["resolved", ["something"]]);
});

test("to close what has stopped changes nothing", async (t) => {
  const world = await connected(t);
  world.socket.end(1008, "Too many connections");
  world.client.close();
  assert.deepEqual([world.client.state, world.client.stopped.code], ["error", 1008]);
});

test("a handler of the drop-in that fails has not taken its letter, and harms nothing else", async (t) => {
  const world = new World(t);
  const unhandled = [];
  const shown = t.mock.method(console, "error", () => {});
  const note = (error) => unhandled.push(error);
  process.on("unhandledRejection", note);
  t.after(() => process.off("unhandledRejection", note));
  class Mine extends WebSocketClient {
    async onChatMessage() {
      throw new Error("not taken");
    }
    async onUserJoined() {
      throw new Error("not shown");
    }
  }
  world.client = new Mine("ws://gateway.test/ws", null, { WebSocket: world.WebSocket });
  world.client.on("error", (error) => world.errors.push(error));
  world.client.connect();
  await flush();
  world.socket.accept();
  world.client.joinRoom("lobby");
  world.socket.subscribed();
  world.socket.say({ type: "chat", from: "bob", message: "hello", messageId: "m1" });
  await flush();
  await flush();
  assert.deepEqual(world.socket.all("ack"), []);
  assert.deepEqual(unhandled, []);
  assert.deepEqual(world.errors.map((error) => error.message), ["not taken"]);
  assert.deepEqual(shown.mock.calls.map(({ arguments: [error] }) => error.message), ["not shown"]);
});

test("a room of the drop-in that the server has ended can be joined again", async (t) => {
  const world = new World(t);
  world.client = new WebSocketClient("ws://gateway.test/ws", null, { WebSocket: world.WebSocket });
  world.client.connect();
  await flush();
  world.socket.accept();
  world.client.joinRoom("lobby");
  world.socket.subscribed();
  await flush();
  world.socket.say({ type: "unsubscribed", channel: "room:lobby" });
  world.client.joinRoom("lobby");
  assert.equal(world.socket.take("subscribe").channel, "room:lobby");
});

test("a gap is told, also while presence is asked for", async (t) => {
  const world = await connected(t);
  const heard = [];
  world.client.subscribe("news", { onMessage() {}, onGap: ({ reason, dropped }) => heard.push([reason, dropped]) });
  world.socket.subscribed({});
  await flush();
  world.client.subscribe("news", { presence: true, onPresence() {} });
  world.socket.say({ type: "gap", channel: "news", dropped: 3 });
  assert.deepEqual(heard, [["dropped", 3]]);
});

test("a pool refuses an address that is none, as it refuses anything else", async () => {
  const pool = new Pool({ connectionsMax: 1 });
  const getting = pool.get("nowhere at all", "t");
  await assert.rejects(getting, { code: "ERR_INVALID_URL" });
});
