// The guide's connection, written anew with the methods and events that it has there: it opens a socket, proves
// who it is by a first message, says each interval that it lives, and tries again so often.

export class Connection {
  #config;
  #socket = null;
  #heartbeat;
  #retry;
  #attemptsLeft;
  #listeners = new Map();

  constructor(config) {
    this.#config = config;
    this.#attemptsLeft = config.reconnectAttempts;
  }

  connect() {
    return new Promise((resolve, reject) => {
      this.#emit("connecting");
      const { url, protocols = [] } = this.#config;
      const socket = new WebSocket(url, protocols);
      this.#socket = socket;
      socket.onopen = () => {
        this.#emit("open");
        const { token, sessionId, channels } = this.#config;
        this.send({ token, sessionId, channels });
        const beat = () => this.send({ type: "heartbeat" });
        this.#heartbeat = setInterval(beat, this.#config.heartbeatInterval);
        resolve();
      };
      socket.onmessage = ({ data }) => this.#handleMessage(data);
      socket.onerror = reject;
      socket.onclose = ({ code, reason }) => this.#handleClose(code, reason);
    });
  }

  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  disconnect() {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#retry);
    this.#attemptsLeft = 0;
    this.#socket?.close(1000);
  }

  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  #handleMessage(data) {
    const message = JSON.parse(data);
    if (message.type === "authenticated") this.#emit("authenticated", message);
    this.#emit("message", message);
  }

  #handleClose(code, reason) {
    clearInterval(this.#heartbeat);
    this.#emit("close", { code, reason });
    if (code !== 1000) this.#emit("error", { code, reason });
    if (this.#attemptsLeft === 0) return;
    this.#attemptsLeft -= 1;
    // The guide counts down from five: 2 s, 4 s, 8 s and so on.
    const delay = 1000 * 2 ** (5 - this.#attemptsLeft);
    this.#retry = setTimeout(() => this.connect().catch(() => {}), delay);
  }

  #emit(event, data) {
    for (const listener of this.#listeners.get(event) ?? []) listener(data);
  }
}
