// The JavaScript client in a page of headless Chromium, as the gateway serves it, against the gateway as it is.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { launch } from "./browser.mjs";
import { GATEWAY, GATEWAY_PAGE, control, sleep, token, until } from "./site.mjs";

const GRACE = 500;

let browser;
let context;
let page;
let user;
let users = 0;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

// A page of its own for each test, with a client of a user of its own.
beforeEach(async () => {
  await context?.close();
  await control("away", { on: false });
  await control("swallow", { on: false });
  context = await browser.newContext();
  page = await context.newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`${GATEWAY_PAGE}/health`);
  user = `page-${(users += 1)}`;
});

// Opens a client in the page, under the name `client`; `states` and `news` are what it was told so far.
async function open(options = {}) {
  const backoff = { base: 20, cap: 200, resetAfter: 20 };
  const plan = { url: GATEWAY, options: { backoff, grace: GRACE, connectTimeout: 2000, token: await token(user), ...options } };
  await page.evaluate(async ({ url, options }) => {
    const { Client } = await import("/client.js");
    const client = new Client(url, options);
    const states = [];
    client.on("state", (state) => states.push(state));
    Object.assign(globalThis, { client, states, news: [] });
    await client.connect();
  }, plan);
}

const follow = (channel) =>
  page.evaluate(async (channel) => {
    const onMessage = ({ data }) => news.push(data);
    await client.subscribe(channel, { onMessage, onGap: ({ reason }) => news.push(reason) });
  }, channel);
const publish = (channel, data) =>
  page.evaluate(([channel, data]) => client.publish(channel, data), [channel, data]);
const state = () => page.evaluate(() => client.state);
const news = () => page.evaluate(() => news);
const becomes = (wanted) => until(wanted, async () => (await state()) === wanted);

test("what was missed comes once and in order", async () => {
  await open();
  await follow("t:page");
  assert.equal((await publish("t:page", 1)).offset, 1);
  await until("it has come", async () => (await news()).length === 1);
  // The gateway is killed and comes back; its history is on the disk.
  await control("kill");
  await becomes("reconnecting");
  const published = publish("t:page", 2);
  await control("start");
  assert.equal((await published).offset, 2);
  await becomes("connected");
  for (const n of [3, 4, 5]) {
    await control(n === 4 ? "reset" : "cut");
    await publish("t:page", n);
  }
  await until("all of it has come", async () => (await news()).length >= 5);
  assert.deepEqual(await news(), [1, 2, 3, 4, 5]);
  const states = await page.evaluate(() => states);
  assert.deepEqual(states.slice(0, 4), ["connecting", "authenticating", "connected", "reconnecting"]);
});

test("offline nothing is tried", async () => {
  await open();
  await context.setOffline(true);
  await control("away", { on: true });
  await becomes("reconnecting");
  const came = await control("came");
  // It would have tried a dozen times.
  await sleep(1000);
  assert.equal((await control("came")) - came, 0);
  await control("away", { on: false });
  await context.setOffline(false);
  await becomes("connected");
});

test("a return of the network reconnects at once", async () => {
  // Whoever waited for the backoff would wait for half a minute.
  await open({ backoff: { base: 30_000, jitter: "none" } });
  await follow("t:offline");
  await context.setOffline(true);
  await control("away", { on: true });
  await becomes("reconnecting");
  const published = publish("t:offline", 1);
  await control("away", { on: false });
  await sleep(200);
  assert.equal(await state(), "reconnecting");
  const start = Date.now();
  await context.setOffline(false);
  await becomes("connected");
  assert.ok(Date.now() - start < 2000, `after ${Date.now() - start} ms`);
  await published;
  await until("it has come", async () => (await news()).length === 1);
});

test("a page that becomes visible asks at once", async () => {
  await open();
  await control("swallow", { on: true });
  // The gateway announces a heartbeat of ten seconds here.
  await sleep(GRACE + 500);
  assert.equal(await state(), "connected");
  // As a browser does it; none that has no window can be made to.
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
  const start = Date.now();
  await until("it is given up", async () => (await state()) !== "connected", 3000);
  assert.ok(Date.now() - start < GRACE + 1000, `after ${Date.now() - start} ms`);
  await control("swallow", { on: false });
  await becomes("connected");
});

// How the connections of the user have ended, as the gateway logs it.
const ends = () => control("ends", { user });

test("a page that is left says goodbye", async () => {
  const ways = [
    () => page.goto("about:blank"),
    () => page.reload(),
    () => page.close({ runBeforeUnload: true }),
  ];
  for (const leave of ways) {
    const before = (await ends()).length;
    if (!page.url().endsWith("/health")) await page.goto(`${GATEWAY_PAGE}/health`);
    await open();
    const start = Date.now();
    await leave();
    await until("the connection has ended", async () => (await ends()).length > before);
    const { reason, code } = (await ends()).at(-1);
    assert.deepEqual([reason, code], ["peer_closed", 1000], `${leave}, after ${Date.now() - start} ms`);
    assert.ok(Date.now() - start < 3000, `after ${Date.now() - start} ms`);
  }
});
