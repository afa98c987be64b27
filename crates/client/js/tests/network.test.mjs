import assert from "node:assert/strict";
import { createServer } from "node:https";
import { test } from "node:test";
import { healthProbe } from "../probe.js";
import { certificate } from "./certificate.mjs";
import { connected, flush, World } from "./scripted.mjs";

const source = () => {
  const it = { left: 0 };
  it.network = (report, client, signal) => {
    it.report = report;
    signal.addEventListener("abort", () => it.left++);
  };
  return it;
};

test("offline nothing is tried", async (t) => {
  const world = new World(t);
  const told = source();
  await world.start({ network: told.network, backoff: { attemptsMax: 0 } });
  world.socket.accept();
  told.report("offline");
  assert.equal(world.client.state, "connected", "what lives is left alone");
  world.socket.end(1006);
  assert.equal(world.client.state, "reconnecting");
  assert.equal(await world.untilNextAttempt(300_000), null);
  assert.equal(world.client.state, "reconnecting");
  assert.equal(world.client.metrics.reconnectAttempts, 0);
  world.client.close();
  assert.equal(told.left, 1, "the source is let go");
});

test("offline from the start nothing is tried until it is over", async (t) => {
  const world = new World(t);
  let tell;
  await world.start({
    network: (report) => {
      tell = report;
      report("offline");
    },
  });
  assert.equal(world.sockets.length, 0);
  tell("online");
  await flush();
  assert.equal(world.sockets.length, 1);
});

test("a return of the network reconnects at once", async (t) => {
  const it = source();
  const world = await connected(t, { network: it.network });
  world.socket.end(1006);
  it.report("offline");
  assert.equal(await world.untilNextAttempt(60_000), null, "a planned attempt is not made either");
  it.report("slow");
  await flush();
  assert.equal(world.sockets.length, 2);
  world.socket.accept();
  await flush();
  it.report("offline");
  it.report("online");
  world.socket.take("ping");
  assert.equal(world.sockets.length, 2, "what lives is asked");
});

const delayOf = async (t, status, random) => {
  const it = source();
  const world = await connected(t, { network: it.network });
  world.random = random;
  it.report(status);
  const seen = [];
  for (let index = 0; index < 4; index++) {
    world.socket.end(1006);
    seen.push(await world.untilNextAttempt());
  }
  world.client.close();
  t.mock.timers.reset();
  t.mock.restoreAll();
  return seen;
};

test("a slow network waits at least five seconds", async (t) => {
  assert.deepEqual(await delayOf(t, "slow", 1), [5_000, 5_000, 5_000, 8_000]);
});

test("an unstable network waits at least two seconds", async (t) => {
  assert.deepEqual(await delayOf(t, "unstable", 1), [2_000, 2_000, 4_000, 8_000]);
});

test("a poor network goes on beyond the bound of attempts", async (t) => {
  for (const status of ["slow", "unstable"]) {
    const it = source();
    const world = await connected(t, { network: it.network, backoff: { attemptsMax: 1 } });
    it.report(status);
    for (let index = 0; index < 5; index++) {
      world.socket.end(1006);
      await world.untilNextAttempt();
    }
    assert.equal(world.sockets.length, 6);
    it.report("online");
    world.socket.end(1006);
    assert.equal(world.client.state, "error", "a good one does not");
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});

test("a probe of health tells how the network is", async (t) => {
  const asked = [];
  let delay = 0;
  let status = 200;
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  t.mock.method(Math, "random", () => 0.5);
  t.mock.method(globalThis, "fetch", async (url, options) => {
    asked.push([String(url), options.method]);
    t.mock.timers.tick(delay);
    if (!status) throw new TypeError("fetch failed");
    return { ok: status === 200, type: "basic", status };
  });
  const reports = [];
  const listeners = new Set();
  const client = { on: (event, handler) => (listeners.add(handler), () => listeners.delete(handler)) };
  const page = new AbortController();
  healthProbe("wss://gateway.test/ws?token=x")((report) => reports.push(report), client, page.signal);
  await flush();
  assert.deepEqual(asked, [["https://gateway.test/health", "HEAD"]]);
  assert.deepEqual(reports, ["online"]);
  const turn = async (ms) => {
    t.mock.timers.tick(ms);
    await flush();
  };
  delay = 1_001;
  await turn(29_999);
  assert.equal(reports.length, 1, "every thirty seconds");
  await turn(1);
  assert.equal(reports.at(-1), "unstable");
  delay = 5_001;
  await turn(30_000);
  assert.equal(reports.at(-1), "slow");
  delay = 0;
  status = 503;
  await turn(30_000);
  assert.equal(reports.at(-1), "offline");
  status = 0;
  await turn(15_000);
  assert.equal(asked.length, 5, "sooner while there is none");
  assert.equal(reports.at(-1), "offline");
  status = 200;
  listeners.forEach((tell) => tell("reconnecting"));
  await flush();
  assert.equal(reports.at(-1), "online", "and when the connection was lost");
  page.abort();
  await turn(100_000);
  assert.equal(asked.length, 6);
  assert.equal(listeners.size, 0);
});

test("a probe asks a server that is there", async (t) => {
  const server = createServer(certificate, (request, response) => response.end(request.url === "/health" ? "{}" : ""));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `wss://127.0.0.1:${server.address().port}/ws`;
  const reports = [];
  const client = { on: () => () => {} };
  const heard = () =>
    new Promise((resolve) => {
      const over = new AbortController();
      const report = (status) => {
        reports.push(status);
        over.abort();
        resolve();
      };
      healthProbe(url)(report, client, over.signal);
    });
  await heard();
  assert.deepEqual(reports, ["online"]);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await heard();
  assert.deepEqual(reports, ["online", "offline"]);
});
