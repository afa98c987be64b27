// The JavaScript client in Node against the gateway as it is, with a proxy in between.

import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";

import { Client } from "../../../../client/js/client.js";
import { GATEWAY, GATEWAY_DIRECT, control, order, sleep, token, until } from "./site.mjs";

const HEARTBEAT = 300; // as the gateway announces it
const GRACE = 500;
const options = { backoff: { base: 10, cap: 200, resetAfter: 20 }, grace: GRACE, connectTimeout: 3000 };

let clients = [];
let users = 0;
// Each test has users of its own.
const nobody = (name) => `${name}-${(users += 1)}`;

function open(user, more = {}, url = GATEWAY) {
  const client = new Client(url, { ...options, token: () => token(user), ...more });
  clients.push(client);
  return client;
}

async function opened(user, more, url) {
  const client = open(user, more, url);
  await client.connect();
  return client;
}

const becomes = (client, state) => until(`${state}, it is ${client.state}`, () => client.state === state);

// When it has noticed that its connection is lost, however soon it is back.
function loses(client) {
  return new Promise((resolve) => {
    const off = client.on("state", (state) => {
      if (state === "connected") return;
      off();
      resolve();
    });
  });
}

// Has something done by which the client loses its connection.
async function breaks(client, verb, verbOptions) {
  const lost = loses(client);
  await control(verb, verbOptions);
  await lost;
}

// What comes, one by one.
async function follow(client, channel, subscribeOptions) {
  const news = [];
  const subscription = await client.subscribe(channel, {
    ...subscribeOptions,
    onMessage: (message) => news.push(message.data),
    onGap: (gap) => news.push(gap.reason),
  });
  return { news, subscription };
}

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await control("swallow", { on: false });
  await control("away", { on: false });
});
after(() => setTimeout(() => process.exit(), 100).unref());

test("all channels are subscribed again after a reconnect", async () => {
  const publisher = await opened(nobody("publisher"), {}, GATEWAY_DIRECT.replace("http", "ws") + "/ws");
  const client = await opened(nobody("ada"));
  const all = await Promise.all([1, 2, 3].map((index) => follow(client, `t:all-${index}`)));
  await breaks(client, "reset");
  await becomes(client, "connected");
  for (const index of [1, 2, 3]) await publisher.publish(`t:all-${index}`, index);
  await until("each has its message", () => all.every(({ news }) => news.length > 0));
  assert.deepEqual(all.map(({ news }) => news), [[1], [2], [3]]);
});

test("what was missed comes once and in order", async () => {
  const publisher = await opened(nobody("publisher"), {}, GATEWAY_DIRECT.replace("http", "ws") + "/ws");
  const client = await opened(nobody("ada"));
  const { news } = await follow(client, "t:missed");
  const expected = [];
  for (let round = 0; round < 5; round += 1) {
    await breaks(client, "away", { on: true });
    for (let n = 0; n < 20; n += 1) {
      expected.push(round * 20 + n);
      await publisher.publish("t:missed", round * 20 + n);
    }
    await control("away", { on: false });
    await until("all of it has come", () => news.length >= expected.length);
  }
  assert.deepEqual(news, expected);
});

test("what cannot be recovered is told as a gap", async () => {
  const client = await opened(nobody("ada"));
  const { news } = await follow(client, "t:life");
  await client.publish("t:life", 1);
  await until("it has come", () => news.length === 1);
  // Its history is in memory: another process has another one.
  await control("kill");
  await control("start");
  await until("the gap is told", () => news.length === 2);
  await client.publish("t:life", 2);
  await until("it has come", () => news.length === 3);
  assert.deepEqual(news, [1, "not_recovered", 2]);
});

test("a channel without history tells of each reconnect as a gap", async () => {
  const client = await opened(nobody("ada"));
  const { news } = await follow(client, "plain");
  for (let round = 1; round <= 3; round += 1) {
    await control("cut");
    await until("the gap is told", () => news.length === round);
  }
  assert.deepEqual(news, ["no_history", "no_history", "no_history"]);
});

test("a subscriber that does not keep up misses nothing of a history", async () => {
  const publisher = await opened(
    nobody("publisher"),
    { queue: { inFlightMax: 64, entriesMax: 10_000, bytesMax: 2 ** 24 } },
    GATEWAY_DIRECT.replace("http", "ws") + "/ws",
  );
  const client = await opened(nobody("ada"));
  const news = await client.subscribe("t:slow");
  const count = 2000;
  await Promise.all(Array.from({ length: count }, (_, index) => publisher.publish("t:slow", index)));
  const taken = [];
  for await (const message of news) {
    taken.push(message.data ?? message);
    if (taken.length === count) break;
  }
  assert.deepEqual(taken, Array.from({ length: count }, (_, index) => index));
});

test("a room is rejoined and misses no message", async () => {
  const client = await opened(nobody("ada"));
  const heard = [];
  await client.joinRoom("lobby", { onMessage: ({ message }) => heard.push(message), onGap: (gap) => heard.push(gap) });
  const bob = await opened(nobody("bob"), {}, GATEWAY_DIRECT.replace("http", "ws") + "/ws");
  const room = await bob.joinRoom("lobby", { onMessage: () => {} });
  await breaks(client, "away", { on: true });
  for (const n of [1, 2, 3]) await room.send(n);
  await control("away", { on: false });
  await until("all of it has come", () => heard.length >= 3);
  assert.deepEqual(heard, [1, 2, 3]);
});

test("what is sent while offline is kept and sent", async () => {
  const client = await opened(nobody("ada"));
  const { news } = await follow(client, "t:offline");
  await breaks(client, "away", { on: true });
  const published = [1, 2, 3].map((n) => client.publish("t:offline", n));
  await sleep(50);
  await control("away", { on: false });
  const offsets = (await Promise.all(published)).map(({ offset }) => offset);
  assert.deepEqual(offsets, [1, 2, 3]);
  await until("all of it has come", () => news.length >= 3);
  assert.deepEqual(news, [1, 2, 3]);
});

test("a letter is acked after the application took it", async () => {
  const [alice, name] = [await opened(nobody("alice")), nobody("bob")];
  for (const n of [1, 2, 3]) await alice.sendDirectMessage(name, n);
  const bob = open(name);
  const letters = [];
  bob.on("chat", ({ message }) => void letters.push(message));
  await bob.connect();
  await until("they have come", () => letters.length >= 3);
  await sleep(50);
  await breaks(bob, "cut");
  await becomes(bob, "connected");
  bob.close();
  const again = open(name);
  again.on("chat", ({ message }) => void letters.push(message));
  await again.connect();
  await sleep(200);
  assert.deepEqual(letters, [1, 2, 3]);
});

test("a letter that was not taken comes again", async () => {
  const name = nobody("bob");
  await order(`/api/users/${name}/send`, { event: "unread", data: 7 });
  const bob = open(name);
  const letters = [];
  bob.on("error", () => {});
  bob.on("message", ({ data }) => {
    letters.push(data);
    if (letters.length === 1) throw new Error("not now");
  });
  await bob.connect();
  await until("it has come", () => letters.length === 1);
  await control("cut");
  await until("it has come again", () => letters.length === 2);
  await sleep(50);
  await control("cut");
  await becomes(bob, "connected");
  await sleep(200);
  assert.deepEqual(letters, [7, 7]);
});

test("silence for the heartbeat is asked about and silence for the grace ends the connection", async () => {
  const client = await opened(nobody("ada"));
  const start = Date.now();
  await breaks(client, "swallow", { on: true });
  const noticed = Date.now() - start;
  assert.ok(noticed >= GRACE - 20 && noticed < HEARTBEAT + GRACE + 700, `after ${noticed} ms`);
  await control("swallow", { on: false });
  await becomes(client, "connected");
});

test("anything heard is a sign of life", async () => {
  const came = await control("came");
  const client = await opened(nobody("ada"));
  for (const start = Date.now(); Date.now() - start < 5 * (HEARTBEAT + GRACE); await sleep(20)) {
    assert.equal(client.state, "connected");
  }
  assert.equal((await control("came")) - came, 1);
});

test("a token that runs out is replaced on the living connection", async () => {
  const came = await control("came");
  const name = nobody("ada");
  const client = await opened(name, { token: () => token(name, 3) });
  for (const start = Date.now(); Date.now() - start < 7000; await sleep(50)) assert.equal(client.state, "connected");
  assert.equal((await control("came")) - came, 1);
  await client.publish("t:tokens", 1);
});

test("a token may go as the first message", async () => {
  const client = open(nobody("ada"), { tokenIn: "message" });
  const states = [];
  client.on("state", (state) => states.push(state));
  await client.connect();
  await client.publish("t:first-message", 1);
  assert.deepEqual(states, ["connecting", "authenticating", "connected"]);
});

test("after 3000 it fetches a token and is back at once", async () => {
  const name = nobody("ada");
  let asked = 0;
  // While the first one holds, no other can be had.
  const source = async () => {
    if (client.state === "connected") throw new Error("the issuer is away");
    return token(name, (asked += 1) === 1 ? 2 : 600);
  };
  const backoff = { base: 10_000, jitter: "none" };
  const client = open(name, { token: source, backoff });
  client.on("error", () => {});
  await client.connect();
  await loses(client);
  const start = Date.now();
  await becomes(client, "connected");
  assert.ok(Date.now() - start < 2000);
});

test("after 1000 it does not come back", async () => {
  const name = nobody("ada");
  const client = await opened(name);
  await order(`/api/users/${name}/disconnect`, { code: 1000, reason: "that was all" });
  await becomes(client, "disconnected");
  const { code, reason } = client.stopped;
  assert.deepEqual([code, reason], [1000, "that was all"]);
  await sleep(300);
  assert.equal(client.state, "disconnected");
});

test("after 1008 it stops and says why", async () => {
  const name = nobody("ada");
  const client = await opened(name);
  await order(`/api/users/${name}/disconnect`, { reason: "Signed out" });
  await becomes(client, "error");
  const { code, reason } = client.stopped;
  assert.deepEqual([code, reason], [1008, "Signed out"]);
  await assert.rejects(client.publish("t:1", 1), { code: "closed" });
});

test("after 1012 it comes back", async () => {
  const client = await opened(nobody("ada"));
  await breaks(client, "drain");
  await control("start");
  await becomes(client, "connected");
});

// Eight in a window of a second, the shortest that there is.
test("a drain brings clients back one after the other", async () => {
  const crowd = await Promise.all(Array.from({ length: 8 }, () => opened(nobody("ada"))));
  const coming = crowd.map(
    (client) =>
      new Promise((resolve) => {
        client.on("goodbye", ({ reconnectAfterMs: away }) => {
          const told = Date.now();
          const off = client.on("state", (state) => {
            if (state !== "connected") return;
            off();
            resolve({ away, took: Date.now() - told });
          });
        });
      }),
  );
  await control("drain");
  await control("start");
  const back = (await Promise.all(coming)).sort((one, other) => one.away - other.away);
  const said = JSON.stringify(back);
  // Timers of Node may be a millisecond early.
  assert.ok(back.every(({ away, took }) => took >= away - 2), `sooner than it was told: ${said}`);
  back.forEach(({ away }, place) => assert.ok(away <= 125 * (place + 1), said));
  assert.ok(back[7].away >= back[0].away + 500, said);
});

test("after 1013 it waits at least the base", async () => {
  const name = nobody("ada");
  const client = await opened(name, { backoff: { ...options.backoff, base: 400 } });
  const lost = loses(client);
  await order(`/api/users/${name}/disconnect`, { code: 1013 });
  await lost;
  const start = Date.now();
  await becomes(client, "connected");
  assert.ok(Date.now() - start >= 380, `${Date.now() - start} ms`);
});

test("a refused upgrade of 401 is tried once more with a fresh token", async () => {
  const name = nobody("ada");
  const good = await token(name);
  const source = (tokens) => async () => tokens.shift();
  await opened(name, { token: source([`${good}0`, good]) });
  const client = open(name, { token: source([`${good}0`, `${good}1`, good]) });
  await assert.rejects(client.connect());
  assert.deepEqual([client.state, client.stopped.code], ["error", 401]);
});

test("a refused upgrade of 404 stops", async () => {
  const came = await control("came");
  const client = open(nobody("ada"), {}, GATEWAY.replace("/ws", "/nowhere"));
  await assert.rejects(client.connect());
  assert.deepEqual([client.state, client.stopped.code], ["error", 404]);
  await sleep(200);
  assert.equal((await control("came")) - came, 1);
});

test("a refused upgrade of 503 waits as long as it was told", async () => {
  const head = "503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: application/json";
  await control("answer", { head, body: '{"code":"overloaded","error":"Full","retryAfterMs":1000}' });
  const start = Date.now();
  await opened(nobody("ada"));
  assert.ok(Date.now() - start >= 980, `${Date.now() - start} ms`);
});
