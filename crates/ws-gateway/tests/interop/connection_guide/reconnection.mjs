// The guide's way back: exponential delays with jitter, a bound on the attempts, and none while the network is
// away, which a request for the gateway's health tells.
//
// node reconnection.mjs HOST TOKEN

import { ExponentialBackoff } from "./backoff.mjs";

class NetworkAwareReconnection {
  #backoff;
  #status = "online";
  #health;

  constructor(backoff, health) {
    this.#backoff = backoff;
    this.#health = health;
  }

  async checkConnectivity() {
    try {
      const start = Date.now();
      const { ok } = await fetch(this.#health, { method: "HEAD", cache: "no-cache" });
      const latency = Date.now() - start;
      if (!ok) this.#status = "offline";
      else if (latency > 5000) this.#status = "slow";
      else if (latency > 1000) this.#status = "unstable";
      else this.#status = "online";
    } catch {
      this.#status = "offline";
    }
  }

  shouldReconnect() {
    if (this.#status === "offline") return false;
    return this.#status === "online" ? this.#backoff.shouldReconnect() : true;
  }

  getReconnectionDelay() {
    const leastByStatus = { slow: 5000, unstable: 2000 };
    return Math.max(this.#backoff.getNextDelay(), leastByStatus[this.#status] ?? 0);
  }

  getNetworkStatus() {
    return this.#status;
  }
}

const [host, token] = process.argv.slice(2);
const backoff = new ExponentialBackoff({
  maxAttempts: 10,
  baseDelay: 100,
  maxDelay: 400,
  jitter: true,
  resetAfter: 60_000,
});
const network = new NetworkAwareReconnection(backoff, `http://${host}/health`);
const pause = (duration) => new Promise((resolve) => setTimeout(resolve, duration));

function connect() {
  const socket = new WebSocket(`ws://${host}/ws`);
  socket.onopen = () => socket.send(JSON.stringify({ token, sessionId: "session-123" }));
  socket.onmessage = ({ data }) => {
    if (JSON.parse(data).type !== "authenticated") return;
    backoff.recordSuccess();
    console.log("authenticated");
  };
  socket.onclose = comeBack;
}

async function comeBack() {
  await network.checkConnectivity();
  console.log(network.getNetworkStatus());
  while (!network.shouldReconnect()) {
    await pause(100);
    await network.checkConnectivity();
  }
  console.log(network.getNetworkStatus());
  const delay = network.getReconnectionDelay();
  if (delay < 50 || delay > 100) throw new Error(`no first delay: ${delay}`);
  await pause(delay);
  connect();
}

connect();
