// All of the package. A page that needs no pool takes client.js alone.

export { Client, GatewayError } from "./client.js";
export { Pool } from "./pool.js";
export { healthProbe } from "./probe.js";
export { WebSocketClient } from "./websocket-client.js";
