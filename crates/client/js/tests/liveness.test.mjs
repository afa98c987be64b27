import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, flush } from "./scripted.mjs";

test("silence for the heartbeat is asked about and silence for the grace ends the connection", async (t) => {
  for (const [heartbeatMs, silence] of [
    [20_000, 20_000],
    [0, 30_000],
  ]) {
    const world = await connected(t, {}, { heartbeatMs });
    world.random = 0.7;
    await world.advance(silence - 100);
    assert.equal(world.socket.all("ping").length, 0);
    await world.advance(100);
    assert.equal(world.socket.all("ping").length, 1);
    await world.advance(4_900);
    assert.equal(world.client.state, "connected");
    await world.advance(100);
    assert.equal(world.client.state, "reconnecting", "the socket, which never closes, is not waited for");
    assert.ok(world.socket.closed);
    assert.equal(await world.untilNextAttempt(), 700, "as after 1006");
    world.client.close();
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});

test("anything heard is a sign of life", async (t) => {
  const world = await connected(t);
  await world.advance(20_000);
  world.socket.say({ type: "message", channel: "x" });
  await world.advance(29_900);
  assert.equal(world.socket.all("ping").length, 0);
  await world.advance(100);
  assert.equal(world.socket.all("ping").length, 1);
  await world.advance(4_000);
  world.socket.say("not even JSON");
  await world.advance(29_900);
  assert.equal(world.client.state, "connected");
  assert.equal(world.socket.all("ping").length, 1);
  await world.advance(200);
  assert.equal(world.socket.all("ping").length, 2);
});

test("a timer that is late with its page ends nothing before it has asked again", async (t) => {
  const world = await connected(t);
  await world.advance(30_000);
  assert.equal(world.socket.all("ping").length, 1);
  // The page was frozen: the pong lies there, but the timer is served first.
  const late = Date.now() + 60_000;
  t.mock.method(Date, "now", () => late);
  world.timers.tick(5_000);
  assert.equal(world.client.state, "connected");
  assert.equal(world.socket.all("ping").length, 2);
});

test("a ping of the server is answered", async (t) => {
  const world = await connected(t);
  world.socket.say({ type: "ping" });
  assert.equal(world.socket.all("pong").length, 1);
});

// As much of a page as the client looks at.
const page = (t) => {
  const window = new EventTarget();
  const document = { hidden: true };
  const navigator = { onLine: true };
  const fakes = { document, navigator, addEventListener: window.addEventListener.bind(window) };
  const before = Object.fromEntries(Object.keys(fakes).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]));
  for (const [name, value] of Object.entries(fakes)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  t.after(() => {
    for (const [name, descriptor] of Object.entries(before)) {
      delete globalThis[name];
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
    }
  });
  const fire = (type, more = {}) => window.dispatchEvent(Object.assign(new Event(type), more));
  const show = (isHidden) => {
    document.hidden = isHidden;
    fire("visibilitychange"); // it bubbles up to the window
  };
  return { fire, show, navigator };
};

test("a page that becomes visible asks at once", async (t) => {
  const { show } = page(t);
  const world = await connected(t);
  show(true);
  assert.equal(world.socket.all("ping").length, 0);
  show(false);
  assert.equal(world.socket.all("ping").length, 1);
  await world.advance(5_000);
  assert.equal(world.client.state, "reconnecting");
  show(false);
  world.client.close();
  show(false);
  assert.equal(world.socket.all("ping").length, 1);
});

test("a page that is left says goodbye", async (t) => {
  const { fire } = page(t);
  const world = await connected(t);
  const sent = world.client.publish("news", 1);
  fire("beforeunload");
  assert.deepEqual(world.socket.closed, { code: 1000, reason: "goodbye" });
  fire("pagehide");
  assert.equal(await world.untilNextAttempt(), 1_000, "who stays comes back");
  world.socket.accept();
  await flush();
  world.socket.ack();
  await sent;
  fire("pagehide");
  assert.deepEqual(world.socket.closed, { code: 1000, reason: "goodbye" });
  // The timers of a page that is kept stand still until it is shown again.
  assert.equal(await world.untilNextAttempt(), 1_000, "who is back comes back");
  world.socket.accept();
  await flush();
  assert.equal(await world.untilNextAttempt(20_000), null, "and once");
});

test("a page that goes offline waits for the event that it is online", async (t) => {
  const { fire, navigator } = page(t);
  const world = await connected(t);
  navigator.onLine = false;
  fire("offline");
  world.socket.end(1006);
  assert.equal(await world.untilNextAttempt(60_000), null);
  navigator.onLine = true;
  fire("online");
  await flush();
  assert.equal(world.sockets.length, 2);
});
