// One pane of the playground: a plain WebSocket, and what is done with it. What is sent is what the fields say.

import { announce, element, setText } from "./elements.js";
import { Frames, sizeOnWire } from "./frames.js";
import { aboutToken, claims } from "./token.js";

/** One side: a connection, what is done with it, and its frames. */
export class Pane {
  #name;
  #context;
  #socket = null;
  #ids = 0;
  #channels = new Set();
  /** Who waits for the answer to which id, and for a message. */
  #awaited = new Map();
  #parts = {};
  #token;
  #user;
  frames;

  /** `context`: `{hello(), mint(user), tokenChanged()}`. `user` is who is offered as a name. */
  constructor(name, user, context) {
    this.#name = name;
    this.#context = context;
    this.frames = new Frames(name);
    this.element = element("section", { class: "pane", "aria-label": `Pane ${name}` });
    this.#build(user);
    this.#tell("idle", "Not connected");
    this.#tellChannels();
  }

  get token() {
    return this.#token.value.trim();
  }

  set token(token) {
    this.#token.value = token;
    this.#tellToken();
    const user = claims(token)?.sub;
    if (typeof user === "string") this.#user.value = user;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** The gateway has said who it is. */
  hello({ canMint }) {
    this.#parts.minting.hidden = !canMint;
    this.#tellToken();
  }

  /** Resolves when `connected` was said, and rejects when it will not be. */
  async connect() {
    this.disconnect();
    const context = this.#context.hello();
    if (!context) return this.#fail("The console itself is not connected yet");
    // Nobody's name is for whoever wants to see what happens without a token.
    const user = this.#user.value.trim();
    if (!this.token && context.canMint && user) {
      try {
        this.token = await this.#context.mint(user);
      } catch (error) {
        return this.#fail(error.message);
      }
    }
    // Whoever clicks twice has asked twice by now, and wants one.
    this.disconnect();
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const protocols = this.token ? ["ws-gateway.v1", `bearer.${this.token}`] : ["ws-gateway.v1"];
    let socket;
    try {
      socket = new WebSocket(`${scheme}//${location.host}${context.websocketPath}`, protocols);
    } catch {
      return this.#fail("This cannot be a token: it has letters that no header takes");
    }
    this.#socket = socket;
    this.#tell("connecting", "Connecting…");
    return new Promise((resolve, reject) => {
      this.#listen(socket, resolve, reject);
    });
  }

  #fail(message) {
    this.#tell("refused", message);
    return Promise.reject(new Error(message));
  }

  #listen(socket, resolve, reject) {
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#tell("live", "Connected");
      this.frames.note("open", socket.extensions ? `with ${socket.extensions}` : "without compression");
    };
    socket.onmessage = ({ data }) => {
      // The gateway sends text alone; whatever else comes is told by its size.
      const text = typeof data === "string" ? data : `(${data.size} bytes of binary)`;
      this.frames.add(text, false, this.#size(text, false));
      this.#receive(text, resolve);
    };
    socket.onclose = ({ code, reason }) => {
      this.#release(socket);
      const why = opened
        ? `${code}${reason ? ` ${reason}` : ""}`
        : "The upgrade was refused, or nobody is there. A browser does not say which; a token that does not hold is the usual reason.";
      this.frames.note("close", why, !opened || code !== 1000);
      this.#tell(opened ? "idle" : "refused", opened ? `Closed: ${why}` : "Not let in");
      reject(new Error(why));
    };
  }

  #receive(text, resolve) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    this.#awaited.get(message.type === "message" ? "message" : message.id)?.();
    switch (message.type) {
      case "connected":
      case "authenticated":
        this.#tell("live", message.userId ? `Connected as ${message.userId}` : "Connected; not authenticated");
        return resolve();
      case "subscribed":
        this.#channels.add(message.channel);
        return this.#tellChannels();
      case "unsubscribed":
        this.#channels.delete(message.channel);
        return this.#tellChannels();
    }
  }

  /** Lets go of a socket, so that nothing of it stays behind. */
  #release(socket) {
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#channels.clear();
    for (const go of this.#awaited.values()) go();
    this.#tellChannels();
  }

  disconnect() {
    const socket = this.#socket;
    if (!socket) return;
    this.#release(socket);
    socket.close(1000);
    this.frames.note("close", "1000, by this pane");
    this.#tell("idle", "Not connected");
  }

  #size(text, isSent) {
    const extensions = this.#socket?.extensions ?? "";
    const threshold = this.#context.hello()?.settings?.compressionThreshold ?? 1024;
    return sizeOnWire(text, { isSent, extensions, threshold });
  }

  /** Sends a text as it is. */
  sendText(text) {
    if (!this.isOpen) {
      announce("This pane is not connected");
      return this.#tell("refused", "Not connected: nothing was sent");
    }
    this.#socket.send(text);
    return this.frames.add(text, true, this.#size(text, true));
  }

  /** Sends a message with an id, and gives the id. */
  #say(message) {
    this.#ids += 1;
    this.sendText(JSON.stringify({ ...message, id: this.#ids }));
    return this.#ids;
  }

  /** Resolves with the answer to an id, or with the next message of a channel; at last when nothing comes. */
  hears(what) {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(late);
        this.#awaited.delete(what);
        resolve();
      };
      const late = setTimeout(go, 3_000);
      this.#awaited.set(what, go);
    });
  }

  /** Resolves when it is so. */
  subscribe(channel) {
    this.#parts.channel.value = channel;
    return this.hears(this.#say({ type: "subscribe", channel }));
  }

  /** Puts a channel into the fields, and subscribes to it where there is a connection. */
  use(channel) {
    this.#parts.channel.value = channel;
    if (this.isOpen) this.subscribe(channel);
    this.#parts.channel.focus({ preventScroll: true });
  }

  /** Data that are JSON already. */
  publish(channel, event, data) {
    this.#say({ type: "publish", channel, ...(event ? { event } : {}), data });
  }

  focusToken() {
    this.#token.focus();
  }

  #tell(state, text) {
    const { status, connect, buttons } = this.#parts;
    status.dataset.state = state;
    setText(status.lastChild, text);
    const isOn = this.#socket !== null;
    setText(connect, isOn ? "Disconnect" : "Connect");
    connect.classList.toggle("primary", !isOn);
    for (const button of buttons) button.disabled = !this.isOpen;
  }

  #tellChannels() {
    const { channels } = this.#parts;
    if (this.#channels.size === 0) return channels.replaceChildren("In no channel.");
    const chips = [...this.#channels].map((channel) => {
      const leave = element("button", { type: "button", "aria-label": `Unsubscribe from ${channel}`, title: "Unsubscribe" }, "✕");
      leave.onclick = () => this.#say({ type: "unsubscribe", channel });
      return element("span", { class: "chip" }, element("span", { class: "mono" }, channel), leave);
    });
    return channels.replaceChildren("In ", ...chips);
  }

  #tellToken() {
    const isMade = this.#context.hello()?.canMint && this.#user.value.trim() !== "";
    setText(this.#parts.about, !this.token && isMade ? "One is made for this user when you connect." : aboutToken(this.token));
    this.#context.tokenChanged();
  }

  #build(user) {
    const parts = this.#parts;
    parts.buttons = [];
    parts.status = element("p", { class: "status", role: "status" }, element("i", { "aria-hidden": "true" }), element("span"));
    parts.connect = element("button", { type: "button", class: "primary" }, "Connect");
    parts.connect.onclick = () => {
      if (this.#socket) this.disconnect();
      // What went wrong stands in the status and among the frames.
      else this.connect().catch(() => {});
    };
    const head = element("header", {}, element("h3", {}, `Pane ${this.#name}`), parts.status, parts.connect);
    this.element.append(head, this.#identity(user), this.#subscribing(), this.#publishing(), this.#raw(), this.frames.element);
  }

  #identity(user) {
    const parts = this.#parts;
    this.#user = element("input", { value: user, autocomplete: "off", spellcheck: false, maxLength: 128 });
    // A token is somebody's: another name wants another token.
    this.#user.oninput = () => (this.token = "");
    this.#token = element("input", { type: "password", autocomplete: "off", spellcheck: false, placeholder: "none yet" });
    this.#token.oninput = () => this.#tellToken();
    const mint = element("button", {}, "New token");
    const show = element("button", { type: "button", "aria-pressed": "false" }, "Show");
    show.onclick = () => {
      const isShown = this.#token.type === "password";
      this.#token.type = isShown ? "text" : "password";
      show.setAttribute("aria-pressed", String(isShown));
    };
    parts.minting = element("form", { class: "row", hidden: true }, element("label", {}, "User", this.#user), mint);
    parts.minting.onsubmit = async (event) => {
      event.preventDefault();
      try {
        this.token = await this.#context.mint(this.#user.value.trim());
        announce(`A token for ${this.#user.value.trim()}`);
      } catch (error) {
        this.#tell("refused", error.message);
      }
    };
    parts.about = element("p", { class: "hint" }, aboutToken(""));
    const token = element("form", { class: "row" }, element("label", {}, "Token", this.#token), show);
    token.onsubmit = (event) => {
      event.preventDefault();
      parts.connect.click();
    };
    return element("div", { class: "identity" }, parts.minting, token, parts.about);
  }

  #subscribing() {
    const parts = this.#parts;
    parts.channel = element("input", { value: "news", autocomplete: "off", spellcheck: false, required: true });
    const subscribe = element("button", {}, "Subscribe");
    const unsubscribe = element("button", { type: "button" }, "Unsubscribe");
    unsubscribe.onclick = () => this.#say({ type: "unsubscribe", channel: parts.channel.value.trim() });
    parts.buttons.push(subscribe, unsubscribe);
    parts.channels = element("p", { class: "channels" });
    const row = element("div", { class: "row wraps" }, element("label", {}, "Channel", parts.channel), subscribe, unsubscribe);
    const form = element("form", {}, row, parts.channels);
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#say({ type: "subscribe", channel: parts.channel.value.trim() });
    };
    return form;
  }

  #publishing() {
    const parts = this.#parts;
    const event = element("input", { autocomplete: "off", spellcheck: false, placeholder: "none" });
    const fault = element("p", { class: "fault", id: `data-fault-${this.#name}`, "aria-live": "polite" });
    const data = element("textarea", { value: '{"hello": "world"}', rows: 2, spellcheck: false, "aria-describedby": fault.id });
    const check = () => {
      const [value, wrong] = parsed(data.value);
      data.setAttribute("aria-invalid", String(wrong !== null));
      setText(fault, wrong ?? "");
      return [value, wrong];
    };
    data.oninput = check;
    const publish = element("button", {}, "Publish in this channel");
    parts.buttons.push(publish);
    const form = element(
      "form",
      {},
      element("label", {}, "Data, as JSON", data),
      fault,
      element("div", { class: "row wraps" }, element("label", {}, "Event", event), publish),
    );
    form.onsubmit = (submitted) => {
      submitted.preventDefault();
      const [value, wrong] = check();
      if (wrong === null) this.publish(parts.channel.value.trim(), event.value.trim(), value);
      else data.focus();
    };
    sendWithKeys(data, form);
    return form;
  }

  #raw() {
    const text = element("textarea", { value: '{"type": "request", "requestId": "1", "payload": [1, 2, 3]}', rows: 2, spellcheck: false });
    const send = element("button", {}, "Send");
    this.#parts.buttons.push(send);
    const form = element("form", {}, element("label", {}, "Text of the frame, sent as it is", text), element("p", { class: "buttons" }, send));
    form.onsubmit = (event) => {
      event.preventDefault();
      this.sendText(text.value);
    };
    sendWithKeys(text, form);
    return element("details", {}, element("summary", {}, "Send any frame"), form);
  }
}

/** The value of a JSON text, or what is wrong with it. */
function parsed(text) {
  try {
    return [JSON.parse(text), null];
  } catch (error) {
    return [undefined, `No JSON: ${error.message}`];
  }
}

/** Enter breaks the line; with Control or Command it sends. */
function sendWithKeys(field, form) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!form.querySelector("button:disabled")) form.requestSubmit();
  });
}
