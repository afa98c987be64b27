// WebSockets over HTTP/2: by Node's own client of it, and by the JavaScript client in a page of Chromium.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import http2 from "node:http2";
import { after, test } from "node:test";

import { launch } from "./browser.mjs";
import { GATEWAY, GATEWAY_PAGE, control, token, until } from "./site.mjs";

after(() => setTimeout(() => process.exit(), 100).unref());

const websockets = () => control("figure", { name: "ws_http2_websockets_total" });

// A text frame of a client, masked with zeros.
function frame(message) {
  const text = Buffer.from(JSON.stringify(message));
  assert.ok(text.length < 126);
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]);
}

// The messages of short frames.
function messages(bytes) {
  const found = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const long = bytes[at + 1] === 126;
    const length = long ? bytes.readUInt16BE(at + 2) : bytes[at + 1];
    const start = at + (long ? 4 : 2);
    if (start + length > bytes.length) break;
    found.push(JSON.parse(bytes.subarray(start, start + length)));
    at = start + length;
  }
  return found;
}

test("Node speaks extended CONNECT", async () => {
  const session = http2.connect(GATEWAY_PAGE);
  await new Promise((resolve, reject) => session.once("remoteSettings", resolve).once("error", reject));
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const before = await websockets();
  const streams = [];
  for (const user of ["ada", "bob"]) {
    const stream = session.request({
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":path": `/ws?token=${await token(user)}`,
      "sec-websocket-version": "13",
    });
    const heard = { bytes: Buffer.alloc(0) };
    stream.on("data", (bytes) => (heard.bytes = Buffer.concat([heard.bytes, bytes])));
    const status = await new Promise((resolve) => stream.once("response", (head) => resolve(head[":status"])));
    assert.equal(status, 200);
    stream.write(frame({ type: "request", requestId: user, payload: { of: user } }));
    streams.push({ stream, heard, user });
  }
  for (const { heard, user } of streams) {
    await until("it is answered", () => messages(heard.bytes).some(({ requestId }) => requestId === user));
    const [greeting, answer] = messages(heard.bytes);
    assert.deepEqual([greeting.userId, answer.payload], [user, { of: user }]);
  }
  assert.equal((await websockets()) - before, 2);
  session.destroy();
});

test("a browser that has HTTP/2 carries its WebSockets on it", async () => {
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(`${GATEWAY_PAGE}/health`);
  const protocol = await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
  assert.equal(protocol, "h2");
  const before = await websockets();
  const plan = { url: GATEWAY, tokens: [await token("ada"), await token("bob")] };
  const heard = await page.evaluate(async ({ url, tokens }) => {
    const { Client } = await import("/client.js");
    const [ada, bob] = tokens.map((token) => new Client(url, { token }));
    const heard = [];
    await ada.subscribe("t:second", { onMessage: ({ data }) => heard.push(data) });
    for (let n = 0; n < 5; n += 1) await bob.publish("t:second", n);
    while (heard.length < 5) await new Promise((resolve) => setTimeout(resolve, 5));
    return heard;
  }, plan);
  assert.deepEqual(heard, [0, 1, 2, 3, 4]);
  // Both of them, and nothing of it over HTTP/1.1.
  assert.equal((await websockets()) - before, 2);
  await browser.close();
});

test("a browser that does not trust the gateway tells it nothing", async () => {
  // The key of somebody else.
  const browser = await launch(createHash("sha256").update("another").digest("base64"));
  const page = await browser.newPage();
  const refused = () => control("figure", { name: 'ws_tls_handshakes_total{outcome="refused_by_client"}' });
  const before = await refused();
  const ended = await page.evaluate(
    (url) => new Promise((resolve) => (new WebSocket(url).onclose = ({ code }) => resolve(code))),
    `${GATEWAY}?token=${await token("eve")}`,
  );
  assert.equal(ended, 1006);
  await until("the gateway is told why", async () => (await refused()) > before);
  await assert.rejects(page.goto(`${GATEWAY_PAGE}/health`), /ERR_CERT_AUTHORITY_INVALID/);
  await browser.close();
});
