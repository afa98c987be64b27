// Node's ws as client of our echo server: every window, with and without takeover.
// Prints a line for each set of parameters; whatever goes wrong ends it with another exit code than 0.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const { WebSocket } = createRequire(process.env.WS_TEST_NODE_MODULES + "/")("ws");
const [address, limit] = [process.argv[2], Number(process.argv[3])];
// Whether the server closes when it is told to, and has that limit.
const serverCloses = !process.argv.includes("echo-only");

const alphabet = [..."aäあ😀 \0\x7f\x80\u07ff\u0800\uffff\u{10000}\u{10ffff}"];
const edges = [0, 1, 125, 126, 127, 65535, 65536, 65537, 1024 * 1024, limit - 1, limit];

// Characters of one to four bytes, exactly this many bytes.
function text(size) {
  const characters = [];
  let room = size;
  for (let n = 0; ; n++) {
    const character = alphabet[n % alphabet.length];
    const length = Buffer.byteLength(character);
    if (length > room) break;
    room -= length;
    characters.push(character);
  }
  return characters.join("") + ".".repeat(room);
}

function* offers() {
  yield ["plain", false];
  for (let bits = 9; bits <= 15; bits++) {
    for (const no of [false, true]) {
      yield [`${bits} bits, no takeover: ${no}`, {
        threshold: 0,
        serverMaxWindowBits: bits,
        clientMaxWindowBits: bits,
        // A plain false would forbid the server to say so of itself.
        serverNoContextTakeover: no || undefined,
        clientNoContextTakeover: no || undefined,
      }];
    }
  }
  yield ["takeover by the server only", { threshold: 0, clientNoContextTakeover: true }];
  yield ["takeover by the client only", { threshold: 0, serverNoContextTakeover: true }];
}

function open(perMessageDeflate) {
  return new WebSocket(address, { perMessageDeflate, maxPayload: 0 });
}

async function opened(perMessageDeflate) {
  const ws = open(perMessageDeflate);
  await once(ws, "open");
  assert.equal(ws.extensions !== "", perMessageDeflate !== false, ws.extensions);
  return ws;
}

// Messages in the order in which they came; a close rejects whoever waits.
function inbox(ws) {
  const come = [];
  const waiting = [];
  ws.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    if (waiting.length > 0) waiting.shift().resolve(message);
    else come.push(message);
  });
  ws.on("close", (code) => waiting.forEach((it) => it.reject(new Error(`closed with ${code}`))));
  return () =>
    come.length > 0
      ? Promise.resolve(come.shift())
      : new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

async function conversation(ws, edges) {
  const next = inbox(ws);
  for (const size of edges) {
    const words = text(size);
    ws.send(words);
    assert.ok((await next()) === words, `${size} bytes of text`);
    ws.ping("between");
    const [pong] = await once(ws, "pong");
    assert.equal(pong.toString(), "between");
    const bytes = Buffer.alloc(size).map((_, n) => n % 251);
    ws.send(bytes);
    assert.ok(bytes.equals(await next()), `${size} bytes`);
  }
  const pieces = Array.from({ length: 200 }, (_, n) => text((n * 97) % 1000));
  pieces.forEach((piece, n) => {
    ws.send(piece, { fin: n === pieces.length - 1 });
    if (n % 50 === 25) ws.ping("between");
  });
  assert.ok((await next()) === pieces.join(""), "fragments");
  const messages = Array.from({ length: 500 }, (_, n) => `${n} ${text((n * 13) % 3000)}`);
  messages.forEach((message) => ws.send(message));
  for (const [n, message] of messages.entries()) {
    assert.ok((await next()) === message, `message ${n}`);
  }
}

async function closed(ws) {
  const [code, reason] = await once(ws, "close");
  return [code, reason.toString()];
}

async function closes(deflate) {
  const ours = await opened(deflate);
  ours.close(3001, "goodbye");
  assert.deepEqual(await closed(ours), [3001, ""]);
  if (!serverCloses) return;
  const theirs = await opened(deflate);
  theirs.send("close 3999");
  assert.deepEqual(await closed(theirs), [3999, "as you wish"]);
  const none = await opened(deflate);
  none.close();
  assert.deepEqual(await closed(none), [1005, ""]);
  const large = await opened(deflate);
  large.send(Buffer.alloc(limit + 1));
  assert.deepEqual(await closed(large), [1009, "Message too large"]);
}

for (const [name, deflate] of offers()) {
  const all = ["plain", "9 bits, no takeover: false", "15 bits, no takeover: true"].includes(name);
  const ws = await opened(deflate);
  await conversation(ws, all ? edges : edges.slice(0, 8));
  ws.close(1000);
  assert.deepEqual(await closed(ws), [1000, ""]);
  if (all) await closes(deflate);
  console.log(`ok: ${name}`);
}
