// node.js at the other end of a wire on which the test writes each byte, and of a server of somebody else.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createSecureWebServer } from "node:https";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { test } from "node:test";
import { createServer as createSecureServer } from "node:tls";
import { Client } from "../client.js";
import { WebSocket } from "../node.js";
import { certificate } from "./certificate.mjs";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

// A server that answers each upgrade with what `answer` makes of its head, over TLS.
const serve = async (t, answer, isSecure = true) => {
  const wires = [];
  const serving = (wire) => {
    wires.push(wire);
    wire.on("error", () => {});
    let head = "";
    const read = (data) => {
      head += data.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      wire.off("data", read);
      const key = /sec-websocket-key: (.*)\r/i.exec(head)[1];
      const accept = createHash("sha1").update(key + GUID).digest("base64");
      wire.write(answer(accept, head));
    };
    wire.on("data", read);
  };
  const server = isSecure ? createSecureServer(certificate, serving) : createServer(serving);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    wires.forEach((wire) => wire.destroy());
    server.close();
  });
  return { url: `${isSecure ? "wss" : "ws"}://127.0.0.1:${server.address().port}/ws?a=b`, wires };
};

const upgrade = (accept, more = "") => `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${more}\r\n`;

const heard = (socket) => {
  const events = [];
  let wake = () => {};
  for (const type of ["open", "message", "close"]) {
    socket[`on${type}`] = (event) => {
      events.push(event);
      wake();
    };
  }
  return async () => {
    while (!events.length) await new Promise((resolve) => (wake = resolve));
    return events.shift();
  };
};

const opened = async (t, answer = (accept) => upgrade(accept), isSecure = true) => {
  const { url, wires } = await serve(t, answer, isSecure);
  const socket = new WebSocket(url);
  const next = heard(socket);
  assert.equal((await next()).type, "open");
  const [wire] = wires;
  const received = [];
  let wake = () => {};
  wire.on("data", (data) => {
    received.push(...data);
    wake();
  });
  // One frame of the client's, with its mask taken off.
  const frame = async () => {
    const take = async (count) => {
      while (received.length < count) await new Promise((resolve) => (wake = resolve));
      return received.splice(0, count);
    };
    const [first, second] = await take(2);
    assert.ok(second & 128, "a client masks");
    let length = second & 127;
    if (length === 126) length = Buffer.from(await take(2)).readUInt16BE();
    else if (length === 127) length = Number(Buffer.from(await take(8)).readBigUInt64BE());
    const mask = await take(4);
    const payload = (await take(length)).map((byte, index) => byte ^ mask[index & 3]);
    return { first, mask, payload: Buffer.from(payload) };
  };
  return { socket, next, wire, frame };
};

const bytes = (first, payload, head = [payload.length]) => Buffer.concat([Buffer.from([first, ...head]), Buffer.from(payload)]);

test("messages of every length go in both directions", async (t) => {
  const { socket, next, wire, frame } = await opened(t);
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 200_000]) {
    const text = "ü".repeat(length / 2) + "x".repeat(length % 2);
    socket.send(text);
    const { first, payload } = await frame();
    assert.equal(first, 0x81);
    assert.equal(payload.toString(), text);
    const size = payload.length;
    const head = size < 126 ? [size] : size < 65_536 ? [126, size >> 8, size & 255] : [127, 0, 0, 0, 0, 0, size >> 16, (size >> 8) & 255, size & 255];
    const whole = bytes(0x81, payload, head);
    // In pieces, as a network hands it on.
    for (let at = 0; at < whole.length; at += 30_001) wire.write(whole.subarray(at, at + 30_001));
    assert.equal((await next()).data, text);
  }
});

test("without TLS messages go in both directions", async (t) => {
  const { socket, next, wire, frame } = await opened(t, (accept) => upgrade(accept), false);
  assert.match(socket.url, /^ws:/);
  socket.send("there");
  assert.equal((await frame()).payload.toString(), "there");
  wire.write(bytes(0x81, "and back"));
  assert.equal((await next()).data, "and back");
});

test("each frame has a mask of its own", async (t) => {
  const { socket, frame } = await opened(t);
  const masks = new Set();
  for (let index = 0; index < 20; index++) {
    socket.send("same");
    masks.add((await frame()).mask.join());
  }
  assert.equal(masks.size, 20);
});

test("fragments are one message and pings between them are answered", async (t) => {
  const { next, wire, frame } = await opened(t);
  wire.write(Buffer.concat([bytes(0x01, "Hel"), bytes(0x89, "are you there"), bytes(0x00, "lo "), bytes(0x80, "you")]));
  const { first, payload } = await frame();
  assert.deepEqual([first, payload.toString()], [0x8a, "are you there"]);
  assert.equal((await next()).data, "Hello you");
});

test("what comes with the answer to the upgrade is heard", async (t) => {
  const { next } = await opened(t, (accept) => Buffer.concat([Buffer.from(upgrade(accept)), bytes(0x81, "early")]));
  assert.equal((await next()).data, "early");
});

test("a close of the server is answered and told", async (t) => {
  const { socket, next, wire, frame } = await opened(t);
  wire.write(bytes(0x88, [0x03, 0xf4, ...Buffer.from("Server restart")]));
  const { first, payload } = await frame();
  assert.deepEqual([first, payload.readUInt16BE()], [0x88, 1012]);
  const { code, reason, wasClean } = await next();
  assert.deepEqual([code, reason, wasClean], [1012, "Server restart", true]);
  socket.close();
  socket.send("late");
});

test("a close without a code is told as 1005 and an end without a close as 1006", async (t) => {
  const first = await opened(t);
  first.wire.write(bytes(0x88, []));
  assert.equal((await first.next()).code, 1005);
  const second = await opened(t);
  second.wire.destroy();
  assert.equal((await second.next()).code, 1006);
});

test("ones own close is said with its code and ends with the answer", async (t) => {
  const { socket, next, wire, frame } = await opened(t);
  socket.close(1000, "goodbye");
  const { first, payload } = await frame();
  assert.deepEqual([first, payload.readUInt16BE(), payload.subarray(2).toString()], [0x88, 1000, "goodbye"]);
  wire.write(bytes(0x88, [0x03, 0xe8]));
  assert.equal((await next()).code, 1000);
});

test("a server that never answers a close is not waited for", async (t) => {
  const { socket, next } = await opened(t);
  socket.close(1000);
  assert.equal((await next()).code, 1006);
});

test("what breaks the protocol ends the connection", async (t) => {
  const faults = [
    [0x81, 0x81, 0, 0, 0, 0, 0x41], // masked
    [0xc1, 0x01, 0x41], // a reserved bit
    [0x83, 0x00], // an unknown opcode
    [0x09, 0x00], // a control frame in fragments
    [0x89, 126, 0, 126], // a long one
    [0x80, 0x01, 0x41], // a continuation of nothing
    [0x01, 0x01, 0x41, 0x01, 0x01, 0x41], // a message within another
    [0x81, 0x01, 0xff], // not UTF-8
    [0x88, 0x01, 0x03], // half a code
    [0x81, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0], // more than any memory
  ];
  for (const fault of faults) {
    const { next, wire } = await opened(t);
    wire.write(Buffer.from(fault));
    assert.equal((await next()).code, 1006, fault.join());
  }
});

test("a refused upgrade is told with status, time and body", async (t) => {
  const refuse = (status, headers, body) => () => `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
  const cases = [
    [refuse("401 Unauthorized", "", '{"code":"invalid_token","error":"Token expired"}'), { status: 401, retryAfterMs: undefined, code: "invalid_token", message: "Token expired" }],
    [refuse("429 Too Many Requests", "Retry-After: 3600\r\n", '{"code":"rate_limited","error":"Too many","retryAfterMs":3599500}'), { status: 429, retryAfterMs: 3_599_500, code: "rate_limited", message: "Too many" }],
    [refuse("503 Service Unavailable", "Retry-After: 7\r\n", ""), { status: 503, retryAfterMs: 7_000, code: undefined, message: "Service Unavailable" }],
    [refuse("502 Bad Gateway", "", "<html>"), { status: 502, retryAfterMs: undefined, code: undefined, message: "Bad Gateway" }],
    [refuse("200 OK", "", "null"), { status: 200, retryAfterMs: undefined, code: undefined, message: "OK" }],
  ];
  for (const [answer, refused] of cases) {
    const { url } = await serve(t, answer);
    const event = await heard(new WebSocket(url))();
    assert.equal(event.code, 1006);
    assert.deepEqual(event.refused, refused);
  }
});

test("an upgrade that does not fit the request is none", async (t) => {
  for (const answer of [
    () => upgrade("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    (accept) => upgrade(accept, "Sec-WebSocket-Protocol: other\r\n"),
    (accept) => upgrade(accept, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
  ]) {
    const { url } = await serve(t, answer);
    const { type, code, refused } = await heard(new WebSocket(url, ["mine"]))();
    assert.deepEqual([type, code, refused], ["close", 1006, undefined]);
  }
});

test("the request has what was asked for", async (t) => {
  let head;
  const { url } = await serve(t, (accept, text) => {
    head = text;
    return upgrade(accept, "Sec-WebSocket-Protocol: b\r\n");
  });
  const socket = new WebSocket(url, ["a", "b"], { headers: { Authorization: "Bearer secret" } });
  await heard(socket)();
  assert.equal(socket.protocol, "b");
  assert.match(head, /^GET \/ws\?a=b HTTP\/1.1\r\n/);
  assert.match(head, /\r\nSec-WebSocket-Protocol: a, b\r\n/);
  assert.match(head, /\r\nAuthorization: Bearer secret\r\n/);
  socket.close();
});

test("nobody there is a close with 1006 and closing early ends the attempt", async (t) => {
  const { url } = await serve(t, () => "");
  const nobody = createServer();
  nobody.listen(0, "127.0.0.1");
  await once(nobody, "listening");
  const { port } = nobody.address();
  await new Promise((resolve) => nobody.close(resolve));
  assert.equal((await heard(new WebSocket(`wss://127.0.0.1:${port}/`))()).code, 1006);
  const socket = new WebSocket(url);
  const next = heard(socket);
  socket.close();
  assert.equal((await next()).code, 1006);
});

test("a client in Node finds it by itself and talks to a server of somebody else", async (t) => {
  const { WebSocketServer } = createRequire(process.env.WS_TEST_NODE_MODULES + "/")("ws");
  const web = createSecureWebServer(certificate).listen(0, "127.0.0.1");
  await once(web, "listening");
  const server = new WebSocketServer({ server: web, handleProtocols: () => "ws-gateway.v1" });
  t.after(() => web.close());
  server.on("connection", (socket) => {
    socket.send(JSON.stringify({ type: "connected", userId: "alice", heartbeatMs: 1_000 }));
    socket.on("message", (text) => {
      const { requestId, payload } = JSON.parse(text);
      socket.send(JSON.stringify({ type: "response", requestId, payload }));
    });
  });
  const client = new Client(`wss://127.0.0.1:${web.address().port}/`, { token: "t" });
  t.after(() => client.close());
  assert.equal(await client.request("x".repeat(300_000)).then(({ length }) => length), 300_000);
  for (const socket of server.clients) socket.close(1008, "Enough");
  while (!client.stopped) await new Promise(setImmediate);
  assert.deepEqual([client.stopped.code, client.stopped.reason], [1008, "Enough"]);
});

test("a client in Node tells a refused upgrade from a broken network", async (t) => {
  const body = '{"code":"not_found","error":"Nothing is here"}';
  const { url } = await serve(t, () => `HTTP/1.1 404 Not Found\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const client = new Client(url);
  await assert.rejects(client.connect(), { code: "closed", message: "404 Nothing is here" });
  assert.equal(client.state, "error");
});
