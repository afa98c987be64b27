// A WebSocket for Node over its own http: as much of the browser's as client.js needs, and one thing more. Where an
// upgrade is refused, its close event says how: `refused {status, retryAfterMs, code, message}`. No compression.

import { createHash, randomBytes } from "node:crypto";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const CLOSE_TIMEOUT = 2_000;
const REFUSAL_MAX = 65_536; // bytes of a refusal's body that are read
const MESSAGE_MAX = 64 * 1024 * 1024;

class ProtocolError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class WebSocket {
  readyState = 0; // connecting, open, closing, closed: 0 to 3
  protocol = "";
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  #request;
  #socket = null;
  #input = Buffer.alloc(0);
  #fragments = [];
  #opcode = 0;
  #received = { code: 1006, reason: "" };
  #timer;
  #isCloseSent = false;

  constructor(url, protocols = [], { headers = {}, ...options } = {}) {
    const target = new URL(url);
    const isSecure = /^(wss|https):$/.test(target.protocol);
    const key = randomBytes(16).toString("base64");
    this.url = target.href;
    target.protocol = isSecure ? "https:" : "http:";
    const offered = [protocols].flat();
    const request = (isSecure ? requestHttps : requestHttp)(target, {
      ...options,
      agent: false,
      headers: {
        ...headers,
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        ...(offered.length && { "Sec-WebSocket-Protocol": offered.join(", ") }),
      },
    });
    this.#request = request;
    request.on("upgrade", (response, socket, head) => {
      const accept = createHash("sha1").update(key + GUID).digest("base64");
      const protocol = response.headers["sec-websocket-protocol"] ?? "";
      const fault =
        response.headers["sec-websocket-accept"] !== accept
          ? "Sec-WebSocket-Accept does not fit"
          : response.headers["sec-websocket-extensions"]
            ? "an extension that was not offered"
            : protocol && !offered.includes(protocol)
              ? "a subprotocol that was not offered"
              : null;
      if (fault || this.readyState !== 0) {
        socket.destroy();
        return this.#finish({ reason: fault ?? "closed" });
      }
      this.protocol = protocol;
      this.#open(socket, head);
    });
    request.on("response", (response) => this.#refused(response));
    request.on("error", (error) => this.#finish({ reason: error.message }));
    request.end();
  }

  get bufferedAmount() {
    return this.#socket?.writableLength ?? 0;
  }

  send(data) {
    if (this.readyState === 0) throw new Error("still connecting");
    if (this.readyState !== 1) return;
    const isText = typeof data === "string";
    this.#write(isText ? TEXT : BINARY, Buffer.from(data));
  }

  close(code, reason = "") {
    if (this.readyState === 0) {
      this.#request.destroy();
      return this.#finish({ reason: "closed" });
    }
    if (this.readyState !== 1) return;
    this.readyState = 2;
    this.#sendClose(code, reason);
    // A peer that is gone answers nothing: it is not waited for longer than this.
    this.#timer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT);
    this.#timer.unref();
  }

  #open(socket, head) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.on("data", (data) => this.#read(data));
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => this.#finish({}));
    this.readyState = 1;
    this.#call("onopen", { type: "open" });
    if (head.length) this.#read(head);
  }

  #refused(response) {
    const { statusCode: status, headers } = response;
    const parts = [];
    let length = 0;
    const done = () => {
      let body = {};
      try {
        body = JSON.parse(Buffer.concat(parts).toString()) ?? {};
      } catch {
        // The page of a proxy, which says nothing to a program.
      }
      const after = headers["retry-after"];
      const seconds = /^\d+$/.test(after) ? +after : (Date.parse(after) - Date.now()) / 1_000;
      const told = Number.isFinite(body.retryAfterMs) ? body.retryAfterMs : seconds * 1_000;
      const retryAfterMs = Number.isFinite(told) ? Math.max(0, told) : undefined;
      const message = body.error ?? response.statusMessage;
      this.#finish({ reason: `${status} ${message}`, refused: { status, retryAfterMs, code: body.code, message } });
      this.#request.destroy();
    };
    response.on("data", (part) => {
      if ((length += part.length) > REFUSAL_MAX) done();
      else parts.push(part);
    });
    response.on("end", done);
    response.on("error", done);
  }

  #read(data) {
    this.#input = this.#input.length ? Buffer.concat([this.#input, data]) : data;
    try {
      while (this.readyState !== 3 && this.#readFrame());
    } catch (error) {
      this.#sendClose(error.code ?? 1002, error.message);
      this.#received = { code: 1006, reason: error.message };
      this.#socket.destroy();
      this.#finish({});
    }
  }

  // False when the frame is not there completely.
  #readFrame() {
    const input = this.#input;
    if (input.length < 2) return false;
    const opcode = input[0] & 15;
    const isFinal = input[0] >= 128;
    let length = input[1] & 127;
    let start = 2;
    if (input[0] & 0x70) throw new ProtocolError(1002, "a reserved bit is set");
    if (input[1] >= 128) throw new ProtocolError(1002, "a server does not mask");
    if (opcode >= CLOSE && (!isFinal || length > 125)) throw new ProtocolError(1002, "a control frame is short and whole");
    if (length === 126) {
      if (input.length < 4) return false;
      length = input.readUInt16BE(2);
      start = 4;
    } else if (length === 127) {
      if (input.length < 10) return false;
      length = Number(input.readBigUInt64BE(2));
      start = 10;
    }
    if (length > MESSAGE_MAX) throw new ProtocolError(1009, "the message is too big");
    if (input.length < start + length) return false;
    this.#input = input.subarray(start + length);
    this.#handleFrame(opcode, isFinal, input.subarray(start, start + length));
    return true;
  }

  #handleFrame(opcode, isFinal, payload) {
    if (opcode === PING) this.#write(PONG, payload);
    else if (opcode === CLOSE) this.#handleClose(payload);
    else if (opcode > BINARY && opcode !== PONG) throw new ProtocolError(1002, "an unknown opcode");
    else if (opcode <= BINARY) {
      const isFirst = opcode !== CONTINUATION;
      if (isFirst === this.#fragments.length > 0) throw new ProtocolError(1002, "fragments out of order");
      if (isFirst) this.#opcode = opcode;
      this.#fragments.push(payload);
      const size = this.#fragments.reduce((sum, part) => sum + part.length, 0);
      if (size > MESSAGE_MAX) throw new ProtocolError(1009, "the message is too big");
      if (!isFinal) return;
      const whole = this.#fragments.length === 1 ? payload : Buffer.concat(this.#fragments);
      this.#fragments = [];
      if (this.readyState !== 1) return;
      const data = this.#opcode === TEXT ? decode(whole) : Buffer.from(whole);
      this.#call("onmessage", { type: "message", data });
    }
  }

  #handleClose(payload) {
    if (payload.length === 1) throw new ProtocolError(1002, "a close code has two bytes");
    const code = payload.length ? payload.readUInt16BE(0) : 1005;
    this.#received = { code, reason: decode(payload.subarray(2)) };
    if (this.readyState === 1) this.readyState = 2;
    this.#sendClose(code === 1005 ? undefined : code);
    this.#socket.end();
    this.#timer ??= setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT).unref();
  }

  #sendClose(code, reason = "") {
    if (this.#isCloseSent) return;
    const payload = Buffer.alloc(code === undefined ? 0 : 2);
    if (code !== undefined) payload.writeUInt16BE(code);
    this.#write(CLOSE, Buffer.concat([payload, Buffer.from(code === undefined ? "" : reason).subarray(0, 123)]));
    this.#isCloseSent = true;
  }

  // RFC 6455 §5.3: what a client sends is masked, with a mask that nobody can guess.
  #write(opcode, payload) {
    if (this.#isCloseSent || !this.#socket?.writable) return;
    const { length } = payload;
    const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    const frame = Buffer.allocUnsafe(head + 4 + length);
    frame[0] = 128 | opcode;
    frame[1] = 128 | (head === 2 ? length : head === 4 ? 126 : 127);
    if (head === 4) frame.writeUInt16BE(length, 2);
    if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2);
    const mask = randomBytes(4);
    mask.copy(frame, head);
    for (let at = 0; at < length; at++) frame[head + 4 + at] = payload[at] ^ mask[at & 3];
    this.#socket.write(frame);
  }

  #finish({ reason = this.#received.reason, refused }) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    clearTimeout(this.#timer);
    const { code } = this.#received;
    this.#call("onclose", { type: "close", code, reason, wasClean: code !== 1006, refused });
  }

  // A handler that throws must not end the reading.
  #call(handler, event) {
    try {
      this[handler]?.(event);
    } catch (error) {
      console.error(error);
    }
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const decode = (bytes) => {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ProtocolError(1007, "invalid UTF-8");
  }
};
