// Node's ws as the server of our client: `server.mjs PARAMETERS [drive]`, a JSON object or false.
// Prints its port. Echoes; `fragments` comes back in pieces with pings between them, `close N` closes.
// With `drive` the client is the one that echoes: it is sent messages and then closed, and `ok` printed.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(process.env.WS_TEST_NODE_MODULES + "/")("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: JSON.parse(process.argv[2]),
  maxPayload: 0,
});

async function drive(ws) {
  for (const size of [0, 1, 125, 126, 127, 65535, 65536, 65537, 1024 * 1024]) {
    for (const message of ["é".repeat(size / 2), Buffer.alloc(size, "é")]) {
      ws.send(message);
      const [echo, isBinary] = await once(ws, "message");
      assert.equal(isBinary, typeof message !== "string");
      assert.ok(Buffer.from(message).equals(echo), `${size} bytes`);
    }
  }
  ws.close(1000, "done");
  const [code] = await once(ws, "close");
  assert.equal(code, 1000);
  console.log("ok");
}

server.on("connection", (ws) => {
  if (process.argv.includes("drive")) return drive(ws);
  ws.on("message", (data, isBinary) => {
    const text = isBinary ? "" : data.toString();
    if (text === "fragments") {
      for (let n = 0; n < 100; n++) {
        if (n % 10 === 5) ws.ping("between");
        ws.send(`${n} あ😀 `.repeat(n), { fin: n === 99 });
      }
    } else if (text.startsWith("close ")) {
      ws.close(Number(text.slice("close ".length)), "as you wish");
    } else {
      ws.send(data, { binary: isBinary });
    }
  });
});
await once(server, "listening");
console.log(server.address().port);
// Ends with the test, which holds the other end of standard input.
process.stdin.resume();
await once(process.stdin, "end");
process.exit(0);
