// The JavaScript client in Node behind a network that takes less than is published.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Client } from "../../../../client/js/client.js";
import { GATEWAY, GATEWAY_DIRECT, control, token, until } from "./site.mjs";

after(() => setTimeout(() => process.exit(), 100).unref());

// What the gateway leaves out is fetched on the same connection, though all of it has an `eventId`, of which the
// gateway sends each connection each but once.
test("a gap with a range is filled and not told", async () => {
  const publisher = new Client(GATEWAY_DIRECT.replace("http", "ws") + "/ws", {
    token: await token("publisher"),
    queue: { inFlightMax: 64, entriesMax: 10_000, bytesMax: 2 ** 26 },
  });
  await publisher.connect();
  const client = new Client(GATEWAY, { token: await token("ada") });
  const news = [];
  await client.subscribe("slow:1", {
    onMessage: ({ data: [index] }) => news.push(index),
    onGap: ({ reason }) => news.push(reason),
  });
  await control("stall", { on: true });
  const [indices, padding] = [Array.from({ length: 1500 }, (_, index) => index), "x".repeat(8000)];
  await Promise.all(indices.map((index) => publisher.publish("slow:1", [index, padding])));
  await control("stall", { on: false });
  await until("all of it has come", () => news.length >= indices.length, 60_000);
  assert.deepEqual(news, indices);
  // Read from the history for this connection, which is the only one that came.
  const replayed = () => control("figure", { name: 'ws_channel_events_total{event="replayed"}' });
  await until("the gateway has left some out", async () => (await replayed()) > 0);
  assert.equal(await control("came"), 1);
  client.close();
  publisher.close();
});
