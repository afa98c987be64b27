// The peer that is Node's `ws`: `node server.js --port 9001 --mode echo|topic [--compress]`.
//
// `bufferutil` stands beside it: `ws` picks it up by itself and unmasks natively with it.
"use strict";

const { createServer } = require("node:http");
const { parseArgs } = require("node:util");
const { WebSocket, WebSocketServer } = require("ws");

const { values: options } = parseArgs({
  options: {
    port: { type: "string" },
    mode: { type: "string", default: "echo" },
    compress: { type: "boolean", default: false },
  },
});
const port = Number(options.port);
const host = "127.0.0.1";
const perMessageDeflate = options.compress;

const listening = () => console.log(`listening on ws://${host}:${port}`);

function echo() {
  // Nobody asks for the set of clients, so it need not be kept.
  const sockets = new WebSocketServer({ host, port, perMessageDeflate, clientTracking: false });
  sockets.on("connection", (socket) => {
    socket.on("error", console.error);
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  sockets.on("listening", listening);
}

// The broadcast of the package's README, with two servers on one port, likewise from there, so that
// the loop meets receivers only.
function topic() {
  const receivers = new WebSocketServer({ noServer: true, perMessageDeflate });
  const publishers = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  receivers.on("connection", (socket) => socket.on("error", console.error));
  publishers.on("connection", (socket) => {
    socket.on("error", console.error);
    socket.on("message", (data) => {
      receivers.clients.forEach((client) => {
        if (client.readyState === WebSocket.OPEN) {
          client.send(data, { binary: false });
        }
      });
    });
  });
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    const sockets = { "/sub": receivers, "/pub": publishers }[request.url];
    if (sockets === undefined) {
      socket.destroy();
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => {
      sockets.emit("connection", opened, request);
    });
  });
  server.listen(port, host, listening);
}

const mode = { echo, topic }[options.mode];
if (mode === undefined) {
  throw new Error(`no mode "${options.mode}": echo or topic`);
}
mode();
