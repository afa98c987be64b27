import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocketClient } from "../websocket-client.js";
import { flush, World } from "./scripted.mjs";

test("the class that many have copied works with what it is told before it is connected", async (t) => {
  const world = new World(t);
  const ws = (world.client = new WebSocketClient("ws://gateway.test/ws", "secret", { WebSocket: world.WebSocket }));
  const heard = [];
  ws.onRoomMessage = ({ from, message }) => heard.push(`${from}: ${message}`);
  ws.onUserJoined = ({ user_id }) => heard.push(`${user_id} joined`);
  ws.onTyping = ({ user_id }) => heard.push(`${user_id} types`);
  ws.onChatMessage = ({ message }) => heard.push(message);
  ws.connect();
  ws.joinRoom("room-123");
  ws.sendRoomMessage("room-123", "Hello!");
  ws.sendDirectMessage("bob", "Hi");
  ws.send({ type: "ping" });
  await flush();
  assert.deepEqual(world.socket.protocols, ["ws-gateway.v1", "bearer.secret"]);
  world.socket.accept();
  await flush();
  assert.equal(world.socket.sent[0].channel, "room:room-123");
  world.socket.subscribed();
  assert.deepEqual(world.socket.all("room_message")[0].payload, { room_id: "room-123", message: "Hello!" });
  world.socket.say({ type: "ack", ...world.socket.answer("room_message") });
  assert.deepEqual(world.socket.all("chat")[0].payload, { to: "bob", message: "Hi" });
  world.socket.say({ type: "ack", ...world.socket.answer("chat") });
  assert.equal(world.socket.all("ping").length, 1);
  await flush();
  const event = { room_id: "room-123", user_id: "bob" };
  world.socket.say({ type: "room_message", from: "alice", message: "Hello!", ...event });
  world.socket.say({ type: "user_joined", ...event });
  world.socket.say({ type: "typing", ...event });
  world.socket.say({ type: "chat", from: "bob", message: "Hi you", messageId: "m1" });
  world.socket.say({ type: "pong" });
  await flush();
  assert.deepEqual(heard, ["alice joined", "alice: Hello!", "bob joined", "bob types", "Hi you"]);
  assert.equal(world.socket.take("ack").messageId, "m1");
});

test("all messages go through a handleMessage that is overridden", async (t) => {
  const world = new World(t);
  const heard = [];
  class Mine extends WebSocketClient {
    handleMessage(message) {
      heard.push(message.type);
      super.handleMessage(message);
    }
  }
  world.client = new Mine("ws://gateway.test/ws", "secret", { WebSocket: world.WebSocket });
  world.client.connect();
  await flush();
  world.socket.accept();
  world.socket.say({ type: "pong" });
  world.socket.say({ type: "response", requestId: "mine", payload: 1 });
  world.socket.say({ type: "message", event: "unread", data: 3 });
  world.socket.say({ type: "something new" });
  await flush();
  assert.deepEqual(heard, ["connected", "pong", "response", "message", "something new"]);
});

test("what was joined is joined again and joined once", async (t) => {
  const world = new World(t);
  const ws = (world.client = new WebSocketClient("ws://gateway.test/ws", "secret", { WebSocket: world.WebSocket }));
  const heard = [];
  ws.onRoomMessage = ({ message }) => heard.push(message);
  ws.joinRoom("lobby");
  await flush();
  world.socket.accept();
  world.socket.subscribed({ epoch: "e", offset: 1 });
  ws.joinRoom("lobby");
  world.socket.end(1006);
  await world.reconnect();
  assert.deepEqual(world.socket.subscribed({ epoch: "e", offset: 2, recovered: true }), { epoch: "e", offset: 1 });
  world.socket.say({ type: "room_message", room_id: "lobby", message: "missed", offset: 2 });
  assert.deepEqual(heard, ["missed"]);
});
