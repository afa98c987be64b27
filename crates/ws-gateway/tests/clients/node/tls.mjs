// The JavaScript client in Node over TLS; NODE_EXTRA_CA_CERTS names whom it trusts.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Client } from "../../../../client/js/client.js";
import { GATEWAY, control, token, until } from "./site.mjs";

after(() => setTimeout(() => process.exit(), 100).unref());

test("what was missed comes once and in order", async () => {
  assert.match(GATEWAY, /^wss:/);
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
