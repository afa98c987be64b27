// The peer that is Socket.IO's server: `node server.js --port 9001 --mode topic`.
//
// It is driven in its own protocol: WebSocket from the start, `40` joins, `42["news","…"]` is an event,
// which goes to all but the one that sent it.
"use strict";

const { parseArgs } = require("node:util");
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const { values: options } = parseArgs({
  options: { port: { type: "string" }, mode: { type: "string", default: "topic" } },
});
if (options.mode !== "topic") {
  throw new Error(`no mode "${options.mode}": topic only`);
}
const host = "127.0.0.1";
const port = Number(options.port);

const server = createServer();
const io = new Server(server, {
  transports: ["websocket"],
  serveClient: false,
  // The load tool does not answer Engine.IO's own pings.
  pingInterval: 10 * 60 * 1000,
});
// Its docs: the first request is of no use to anybody, and costs memory.
io.engine.on("connection", (socket) => {
  socket.request = null;
});
io.on("connection", (socket) => {
  socket.on("news", (news) => socket.broadcast.emit("news", news));
});
server.listen(port, host, () => console.log(`listening on ws://${host}:${port}`));
