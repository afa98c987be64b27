// The guide's connection: connected, authenticated by its first message, alive by its heartbeats, and back
// after the gateway was away.
//
// node basic.mjs HOST TOKEN

import { Connection } from "./connection.mjs";

const [host, token] = process.argv.slice(2);
const connection = new Connection({
  url: `ws://${host}/ws`,
  token,
  sessionId: "session-123",
  channels: ["chat:session-123", "agent:user-456"],
  reconnectAttempts: 5,
  heartbeatInterval: 100,
});
connection.on("message", (message) => console.log(JSON.stringify(message)));
connection.on("close", ({ code, reason }) => console.log("WebSocket closed:", code, reason));
await connection.connect();
console.log("WebSocket connected");
