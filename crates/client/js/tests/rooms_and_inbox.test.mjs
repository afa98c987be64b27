import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, flush } from "./scripted.mjs";

test("a room is rejoined and misses no message", async (t) => {
  const world = await connected(t);
  const heard = [];
  const joining = world.client.joinRoom("lobby", { onMessage: ({ message }) => heard.push(message) });
  assert.equal(world.socket.sent[0].channel, "room:lobby");
  world.socket.subscribed({ epoch: "e1", offset: 0 });
  const room = await joining;
  const say = (message, offset) => world.socket.say({ type: "room_message", room_id: "lobby", from: "bob", message, offset });
  say("one", 1);
  const sent = room.send("mine");
  assert.deepEqual(world.socket.all("room_message")[0].payload, { room_id: "lobby", message: "mine" });
  world.socket.say({ type: "ack", ...world.socket.answer("room_message") });
  await sent;
  world.socket.end(1006);
  await world.reconnect();
  assert.deepEqual(world.socket.subscribed({ epoch: "e1", offset: 2, recovered: true }), { epoch: "e1", offset: 1 });
  say("two", 2);
  say("three", 3);
  assert.deepEqual(heard, ["one", "two", "three"]);
  room.leave();
  assert.equal(world.socket.take("unsubscribe").channel, "room:lobby");
  say("four", 4);
  assert.equal(heard.length, 3);
});

test("who joins leaves and types in a room is told", async (t) => {
  const world = await connected(t);
  const heard = [];
  const tell = ({ type, user_id }) => heard.push([type, user_id]);
  const joining = world.client.joinRoom("lobby", { onMessage() {}, onJoined: tell, onLeft: tell, onTyping: tell, onPresence: tell });
  world.socket.subscribed({ epoch: "e1", offset: 0 });
  const room = await joining;
  for (const type of ["user_joined", "typing", "user_left"]) world.socket.say({ type, user_id: "bob", room_id: "lobby" });
  world.socket.say({ type: "presence", channel: "room:lobby", count: 60, joined: ["carol"], left: [] });
  assert.deepEqual(heard, [["user_joined", "bob"], ["typing", "bob"], ["user_left", "bob"], ["presence", undefined]]);
  room.typing();
  assert.deepEqual(world.socket.take("typing").payload, { room_id: "lobby" });
  // While what was missed is asked for, who comes is not said again.
  world.socket.say({ type: "gap", channel: "room:lobby", dropped: 1, epoch: "e1", fromOffset: 1, toOffset: 1 });
  world.socket.say({ type: "user_joined", user_id: "dave", room_id: "lobby" });
  assert.deepEqual(heard.at(-1), ["user_joined", "dave"]);
});

test("a room can be iterated with all that happens in it", async (t) => {
  const world = await connected(t);
  const joining = world.client.joinRoom("lobby");
  world.socket.subscribed();
  const room = await joining;
  world.socket.say({ type: "user_joined", user_id: "bob", room_id: "lobby" });
  world.socket.say({ type: "room_message", from: "bob", message: "hi", room_id: "lobby" });
  const heard = [];
  for await (const { type } of room) if (heard.push(type) === 2) break;
  assert.deepEqual(heard, ["user_joined", "room_message"]);
});

const letter = (messageId, more) => ({ type: "chat", from: "bob", message: `letter ${messageId}`, messageId, ...more });

test("a letter is acked after the application took it", async (t) => {
  const world = await connected(t);
  let take;
  world.client.on("chat", () => new Promise((resolve) => (take = resolve)));
  const taken = [];
  world.client.on("message", ({ event }) => taken.push(event));
  world.socket.say(letter("m1"));
  await flush();
  assert.deepEqual(world.socket.all("ack"), []);
  take();
  await flush();
  assert.equal(world.socket.take("ack").messageId, "m1");
  world.socket.say({ type: "message", event: "unread", data: 3, messageId: "m2" });
  world.socket.say({ type: "message", event: "all", data: 3 });
  await flush();
  assert.deepEqual(taken, ["unread", "all"]);
  assert.deepEqual(world.socket.all("ack").map(({ messageId }) => messageId), ["m2"]);
});

test("a letter that was not taken comes again", async (t) => {
  const world = await connected(t);
  let isFailing = true;
  const heard = [];
  world.socket.say(letter("m0"));
  world.client.on("chat", async ({ messageId }) => {
    heard.push(messageId);
    if (isFailing) throw new Error("the disk is full");
  });
  world.socket.say(letter("m1"));
  await flush();
  assert.deepEqual(world.socket.all("ack"), [], "nor is one for which there is no handler");
  assert.equal(world.errors.at(-1).message, "the disk is full");
  world.socket.end(1006);
  await world.reconnect();
  isFailing = false;
  world.socket.say(letter("m0"));
  world.socket.say(letter("m1"));
  await flush();
  assert.deepEqual(heard, ["m1", "m0", "m1"]);
  assert.deepEqual(world.socket.all("ack").map(({ messageId }) => messageId), ["m0", "m1"]);
});

test("a letter that comes twice is handed out once and acked twice", async (t) => {
  const world = await connected(t);
  const heard = [];
  let take;
  world.client.on("chat", ({ messageId }) => {
    heard.push(messageId);
    return new Promise((resolve) => (take = resolve));
  });
  world.socket.say(letter("m1"));
  world.socket.end(1006);
  await world.reconnect();
  world.socket.say(letter("m1"));
  await flush();
  assert.deepEqual(world.socket.all("ack"), [], "not while it is being taken");
  take();
  await flush();
  world.socket.end(1006);
  await world.reconnect();
  world.socket.say(letter("m1"));
  await flush();
  assert.equal(world.socket.take("ack").messageId, "m1");
  assert.deepEqual(heard, ["m1"]);
});

test("a direct message resolves with its message id", async (t) => {
  const world = await connected(t);
  const sending = world.client.sendDirectMessage("bob", { text: "hi" });
  assert.deepEqual(world.socket.all("chat")[0].payload, { to: "bob", message: { text: "hi" } });
  world.socket.say({ type: "ack", messageId: "m1", ...world.socket.answer("chat") });
  assert.equal((await sending).messageId, "m1");
});
