// The third pattern: the gateway pings, and a client of the package `ws` answers, by itself and once more by hand.
//
// node heartbeat.mjs HOST TOKEN

import { createRequire } from "node:module";

const { WebSocket } = createRequire(`${process.env.WS_TEST_NODE_MODULES}/`)("ws");
const [host, token] = process.argv.slice(2);
const socket = new WebSocket(`ws://${host}?token=${token}`);

socket.on("ping", () => {
  socket.pong();
  console.log("ping");
});
socket.on("close", (code, reason) => console.log(`Closed: ${code} - ${reason}`));
