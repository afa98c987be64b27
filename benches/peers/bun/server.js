// The peer that is Bun: `bun server.js --port 9001 --mode echo|topic [--compress]`.

import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    port: { type: "string" },
    mode: { type: "string", default: "echo" },
    compress: { type: "boolean", default: false },
  },
});
const compress = options.compress;

const echo = {
  message(socket, message) {
    socket.send(message, compress);
  },
};

// What comes in on `/pub` goes to all that are on `/sub`, through Bun's own topics: they are encoded
// once and written natively.
const topic = {
  open(socket) {
    if (socket.data.subscribes) {
      socket.subscribe("topic");
    }
  },
  message(socket, message) {
    server.publish("topic", message, compress);
  },
};

const mode = { echo, topic }[options.mode];
if (mode === undefined) {
  throw new Error(`no mode "${options.mode}": echo or topic`);
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(options.port),
  // Without this Bun serves for a developer: with stack traces in answers, and slower.
  development: false,
  fetch(request, server) {
    // `endsWith`, because a `URL` would be parsed anew for each connection.
    const data = { subscribes: request.url.endsWith("/sub") };
    if (server.upgrade(request, { data })) {
      return;
    }
    return new Response("a WebSocket is expected\n", { status: 426 });
  },
  websocket: { ...mode, perMessageDeflate: compress },
});

console.log(`listening on ws://127.0.0.1:${server.port}`);
