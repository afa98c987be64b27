// The guide's pool: what is free is used again, no more than so many for each address and token, and an end of all.
//
// node pool.mjs HOST TOKEN

import { Connection } from "./connection.mjs";

class ConnectionPool {
  #config;
  #connections = new Map();
  #inUse = new Set();

  constructor(config) {
    this.#config = config;
  }

  async getConnection(url, token) {
    const key = `${url}:${token}`;
    const known = this.#connections.get(key) ?? [];
    this.#connections.set(key, known);
    let free = known.find((connection) => !this.#inUse.has(connection));
    if (!free && known.length < this.#config.maxConnectionsPerHost) {
      free = new Connection({ url, token, reconnectAttempts: 3, heartbeatInterval: 30_000 });
      known.push(free);
    }
    if (!free) throw new Error("No available connections");
    this.#inUse.add(free);
    return free;
  }

  releaseConnection(connection) {
    this.#inUse.delete(connection);
  }

  closeAll() {
    for (const connection of [...this.#connections.values()].flat()) connection.disconnect();
    this.#connections.clear();
    this.#inUse.clear();
  }
}

const [host, token] = process.argv.slice(2);
const pool = new ConnectionPool({
  maxConnections: 10,
  maxConnectionsPerHost: 2,
  connectionTimeout: 5000,
  idleTimeout: 60_000,
});
const get = () => pool.getConnection(`ws://${host}/ws`, token);

const [first, second] = [await get(), await get()];
for (const connection of [first, second]) {
  const authenticated = new Promise((resolve) => connection.on("authenticated", resolve));
  connection.on("close", ({ code }) => console.log("closed", code));
  await connection.connect();
  console.log("authenticated", (await authenticated).userId);
}
await get().catch((error) => console.log(error.message));
pool.releaseConnection(first);
console.log("the same again:", (await get()) === first);
pool.closeAll();
