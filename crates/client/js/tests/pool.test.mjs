import assert from "node:assert/strict";
import { test } from "node:test";
import { Pool } from "../pool.js";
import { flush, outcome, World } from "./scripted.mjs";

const pooled = (t, options) => {
  const world = new World(t);
  const pool = new Pool({ WebSocket: world.WebSocket, ...options });
  t.after(() => pool.closeAll());
  const get = async (url = "ws://a.test/ws", token = "t") => {
    const before = world.sockets.length;
    const got = outcome(pool.get(url, token));
    await flush();
    if (world.sockets.length > before) world.socket.accept();
    await flush();
    return got;
  };
  return { world, pool, get };
};

test("a pool shares what is idle and bounds each host and all", async (t) => {
  const { world, pool, get } = pooled(t, { connectionsMax: 3, connectionsPerHostMax: 2 });
  const first = await get();
  assert.equal(first.value.state, "connected");
  pool.release(first.value);
  pool.release(first.value);
  const again = await get();
  assert.equal(again.value, first.value, "the idle one");
  const second = await get();
  assert.notEqual(second.value, first.value, "not one that is in use");
  const third = await get();
  assert.equal(third.state, "pending", "two at one host");
  const other = await get("ws://b.test/ws");
  assert.equal(other.state, "resolved");
  const last = await get("ws://c.test/ws");
  assert.equal(last.state, "pending", "three in all");
  assert.equal(world.sockets.length, 3);
  pool.release(second.value);
  await flush();
  assert.equal(third.value, second.value, "who waits gets what becomes idle");
  pool.release(other.value);
  await flush();
  world.socket.accept();
  await flush();
  assert.equal(last.state, "resolved", "an idle one makes way for another host");
  assert.equal(other.value.state, "disconnected");
  const stranger = await get("ws://a.test/ws", "another");
  pool.release(first.value);
  await flush();
  world.socket.accept();
  await flush();
  assert.notEqual(stranger.value, first.value, "nobody gets a connection of another token");
});

test("a pool lets go of what is idle for long or has stopped", async (t) => {
  const { world, pool, get } = pooled(t, { idleTimeout: 60_000, connectionsPerHostMax: 1 });
  const { value: first } = await get();
  pool.release(first);
  await world.advance(59_900);
  assert.equal(first.state === "disconnected", false);
  assert.equal((await get()).value, first, "one that is used again stays");
  await world.advance(20_000);
  pool.release(first);
  await world.advance(60_000);
  assert.equal(first.state, "disconnected");
  const { value: second } = await get();
  assert.notEqual(second, first);
  world.socket.end(1008, "Too many connections");
  await flush();
  const { value: third } = await get();
  assert.notEqual(third, second, "one that has stopped makes room");
  pool.closeAll();
  assert.equal(third.state, "disconnected");
});

test("a pool that is full makes wait and then refuses", async (t) => {
  const { world, pool, get } = pooled(t, { connectionsPerHostMax: 1, connectionTimeout: 5_000 });
  const { value: first } = await get();
  const waiting = await get();
  await world.advance(4_900);
  assert.equal(waiting.state, "pending");
  await world.advance(100);
  assert.equal(waiting.code, "timed_out");
  const next = await get();
  pool.release(first);
  await flush();
  assert.equal(next.value, first);
  pool.closeAll();
  const silent = outcome(pool.get("ws://a.test/ws", "t"));
  await flush();
  await world.advance(5_000);
  assert.equal(silent.code, "timed_out", "nor does it wait longer for a server that is silent");
  const refused = outcome(pool.get("ws://a.test/ws", "t"));
  await flush();
  world.socket.end(1006, "", { status: 403, message: "Origin not allowed" });
  await flush();
  assert.equal(refused.code, "closed");
});
