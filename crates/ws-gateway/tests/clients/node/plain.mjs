// The JavaScript client over ws://, in Node and in a page of Chromium.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Client } from "../../../../client/js/client.js";
import { launch } from "./browser.mjs";
import { GATEWAY, GATEWAY_PAGE, control, token, until } from "./site.mjs";

after(() => setTimeout(() => process.exit(), 100).unref());

test("in Node what was missed comes once and in order", async () => {
  assert.match(GATEWAY, /^ws:/);
  const backoff = { base: 10, cap: 200, resetAfter: 20 };
  const client = new Client(GATEWAY, { token: () => token("ada"), backoff });
  const news = [];
  await client.subscribe("t:1", { onMessage: ({ data }) => news.push(data), onGap: (gap) => news.push(gap) });
  const expected = [];
  for (let n = 0; n < 20; n += 1) {
    if (n % 5 === 4) await control(n > 10 ? "reset" : "cut");
    expected.push(n);
    await client.publish("t:1", n);
  }
  await until("all of it has come", () => news.length >= expected.length);
  assert.deepEqual(news, expected);
  client.close();
});

test("a page hears what it publishes", async () => {
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(`${GATEWAY_PAGE}/health`);
  const heard = await page.evaluate(async ({ url, token }) => {
    const { Client } = await import("/client.js");
    const client = new Client(url, { token });
    const heard = [];
    await client.subscribe("t:page", { onMessage: ({ data }) => heard.push(data) });
    for (let n = 0; n < 5; n += 1) await client.publish("t:page", n);
    while (heard.length < 5) await new Promise((resolve) => setTimeout(resolve, 5));
    return heard;
  }, { url: GATEWAY, token: await token("bob") });
  assert.deepEqual(heard, [0, 1, 2, 3, 4]);
  await browser.close();
});
