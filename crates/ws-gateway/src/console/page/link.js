// The page's own connection to the gateway: asks, is told, and comes back by itself.

const BASE_MS = 500;
const CAP_MS = 10_000;
const ANSWER_MS = 10_000;
/** The gateway tells something each second; after so long without a word it is given up. */
const SILENCE_MS = 8_000;

/**
 * `handlers`: `hello(message)`, `sample(message)`, `traced(message)`, `state(name, detail)` with the names `connecting`, `live`,
 * `waiting` (detail: when the next attempt is), `refused` (detail: why) and `stopped`.
 */
export class Link {
  #handlers;
  #socket = null;
  #key = "";
  #attempts = 0;
  #ids = 0;
  #asked = new Map();
  #retry = 0;
  #silence = 0;

  constructor(handlers) {
    this.#handlers = handlers;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  /** Begins, or begins anew with another key. */
  open(key) {
    this.#key = key;
    this.#attempts = 0;
    this.#connect();
  }

  /** Asks, and resolves with the answer; `code` and `message` are on the error otherwise. */
  ask(type, fields = {}) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Error("There is no connection to the gateway now"));
    const id = (this.#ids += 1);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#settle(id)?.reject(new Error("The gateway did not answer in time")), ANSWER_MS);
      this.#asked.set(id, { resolve, reject, late });
      socket.send(JSON.stringify({ type, id, ...fields }));
    });
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #settle(id) {
    const asked = this.#asked.get(id);
    if (!asked) return undefined;
    this.#asked.delete(id);
    clearTimeout(asked.late);
    return asked;
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.#drop();
    this.#handlers.state("connecting");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    // The key goes where no log of a proxy looks, in the letters that a subprotocol may have.
    const letters = encodeURIComponent(this.#key).replace(/[()]/g, (letter) => (letter === "(" ? "%28" : "%29"));
    const socket = new WebSocket(`${scheme}//${location.host}/console/ws`, ["ws-gateway.console.v1", `bearer.${letters}`]);
    this.#socket = socket;
    let opened = false;
    this.#listen(socket);
    socket.onopen = () => {
      opened = true;
      this.#attempts = 0;
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#listen(socket);
      this.#receive(JSON.parse(data));
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lost(opened);
    };
  }

  /** Sets the watch for silence anew. */
  #listen(socket) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      if (socket === this.#socket) this.#lost(true);
    }, SILENCE_MS);
  }

  #receive(message) {
    switch (message.type) {
      case "hello":
        this.#handlers.hello(message);
        return this.#handlers.state("live");
      case "sample":
        return this.#handlers.sample(message);
      case "traced":
        return this.#handlers.traced(message);
      case "error":
        return this.#settle(message.id)?.reject(Object.assign(new Error(message.message), { code: message.code }));
      default:
        return this.#settle(message.id)?.resolve(message);
    }
  }

  /** Lets go of the socket and of what was asked on it. */
  #drop() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const id of [...this.#asked.keys()]) this.#settle(id).reject(new Error("The connection to the gateway was lost"));
  }

  async #lost(opened) {
    this.#drop();
    const key = this.#key;
    const why = opened ? {} : await this.#reason();
    // Meanwhile another key may have been tried.
    if (key !== this.#key || this.#socket) return;
    if (why.isFinal) return this.#handlers.state("refused", why.text);
    const delay = Math.max(why.wait ?? 0, 250 + Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** this.#attempts));
    this.#attempts += 1;
    this.#retry = setTimeout(() => this.#connect(), delay);
    this.#handlers.state("waiting", { at: Date.now() + delay, why: why.text });
  }

  /** A browser does not tell a refusal from a gateway that is away; one that can be asked says why. */
  async #reason() {
    try {
      // A header has bytes, which a script writes as letters.
      const bytes = String.fromCharCode(...new TextEncoder().encode(this.#key));
      const headers = { Authorization: `Bearer ${bytes}` };
      const answer = await fetch("/console/ws", { headers, cache: "no-store", signal: AbortSignal.timeout(5_000) });
      if (answer.status === 426) return { text: "The key is right, but no WebSocket came through: a proxy between has to pass on the upgrade and the Host" };
      if (answer.status === 404) return { text: "This gateway has no console now: it needs --dev or ADMIN_KEY", isFinal: true };
      const { error, retryAfterMs } = await answer.json();
      return { text: error ?? "The gateway does not take this key", isFinal: [401, 403].includes(answer.status), wait: retryAfterMs };
    } catch {
      return {};
    }
  }

  #hurry() {
    if (this.#retry) this.#connect();
  }
}
