// The frames of a pane: what each weighs on the wire, and a list of the last of them.

import { bytes, copy, count, element, setText, timeOfDay } from "./elements.js";

/** So many are kept, and of each so much of its text. */
const FRAMES_MAX = 500;
const TEXT_MAX = 16 * 1024;
const KIND_MAX = 64;
/** So many bytes are deflated at once to see what they weigh. */
const DEFLATING_MAX = 4 * 1024 * 1024;
const ENCODER = new TextEncoder();
let deflating = 0;

/** A frame's bytes: two of the head, a longer length where it needs one, a mask from clients (RFC 6455 §5.2). */
export function frameBytes(payload, isMasked) {
  const length = payload < 126 ? 0 : payload < 65_536 ? 2 : 8;
  return 2 + length + (isMasked ? 4 : 0) + payload;
}

async function deflated(payload) {
  deflating += payload.length;
  try {
    const stream = new Blob([payload]).stream().pipeThrough(new CompressionStream("deflate-raw"));
    let length = 0;
    for await (const chunk of chunks(stream)) length += chunk.length;
    return length;
  } finally {
    deflating -= payload.length;
  }
}

/** As not every browser iterates streams. */
async function* chunks(stream) {
  const reader = stream.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

/**
 * What a text message weighs: exact where it travels as it is, close where it was deflated, which a page cannot see.
 * The gateway deflates from a threshold on; browsers deflate whatever becomes smaller by it. In a flood nobody waits for
 * all of that: then it is told what it is at most.
 */
export async function sizeOnWire(text, { isSent, extensions, threshold }) {
  const payload = ENCODER.encode(text);
  const plain = frameBytes(payload.length, isSent);
  const mayDeflate = extensions.includes("permessage-deflate") && (isSent || payload.length >= threshold);
  if (!mayDeflate) return { size: plain, isClose: false };
  if (deflating + payload.length > DEFLATING_MAX) return { size: plain, isClose: true, isAtMost: true };
  const small = frameBytes(await deflated(payload), isSent);
  return { size: Math.min(plain, small), isClose: true };
}

/** The beginning of a text as a text of its own: a slice would keep all that it is a part of. */
function beginning(text, most) {
  return text.length > most ? JSON.parse(JSON.stringify(text.slice(0, most))) : text;
}

/** What a message says that it is, in so many letters as there is room for. */
function kindOf(text) {
  try {
    const message = JSON.parse(text);
    const type = typeof message?.type === "string" ? message.type : "JSON";
    const told = type === "error" ? `error ${message.code ?? ""}`.trim() : type;
    return { type: beginning(told, KIND_MAX), hasFailed: type === "error" };
  } catch {
    return { type: "text", hasFailed: false };
  }
}

export class Frames {
  #list;
  #rows = [];
  #waiting = [];
  #isDue = false;
  #isPretty = false;
  #filter;
  #hint = element("p", {}, "Each frame appears here, with its direction, its time and what it weighs on the wire.");
  #sums;
  #totals = { sent: { frames: 0, bytes: 0 }, received: { frames: 0, bytes: 0 } };

  constructor(name) {
    this.#list = element("div", { class: "frames", tabIndex: 0, role: "region", "aria-label": `Frames of pane ${name}` }, this.#hint);
    this.#filter = element("input", { type: "search", placeholder: "Filter frames", "aria-label": `Filter frames of pane ${name}`, autocomplete: "off" });
    this.#filter.oninput = () => this.#rows.forEach((row) => this.#sift(row));
    const pretty = element("button", { type: "button", class: "small", "aria-pressed": "false" }, "Pretty");
    pretty.onclick = () => {
      this.#isPretty = !this.#isPretty;
      pretty.setAttribute("aria-pressed", String(this.#isPretty));
      for (const row of this.#rows) this.#write(row);
    };
    const copyAll = element("button", { type: "button", class: "small" }, "Copy");
    copyAll.onclick = () => copy(this.#text(), copyAll);
    const clear = element("button", { type: "button", class: "small" }, "Clear");
    clear.onclick = () => this.clear();
    this.#sums = element("p", { class: "sums" });
    this.element = element(
      "div",
      { class: "pane-frames" },
      element("div", { class: "tools" }, this.#filter, pretty, copyAll, clear),
      this.#sums,
      this.#list,
    );
    this.#tellSums();
  }

  /** A frame that travelled: `size` is what it weighs, or a promise of `{size, isClose}`. */
  add(text, isSent, size) {
    const { type, hasFailed } = kindOf(text);
    const row = { kind: isSent ? "sent" : "received", type, hasFailed, at: Date.now(), text: beginning(text, TEXT_MAX), more: Math.max(0, text.length - TEXT_MAX) };
    this.#put(row);
    // Those of now: a size that is known after the list was cleared counts no more.
    const totals = this.#totals[row.kind];
    Promise.resolve(size).then((known) => {
      row.known = known;
      totals.frames += 1;
      totals.bytes += known.size;
      totals.isClose ||= known.isClose;
      if (row.size) this.#weigh(row);
      this.#schedule();
    });
  }

  /** What is no message: how a connection began or ended. */
  note(type, text, hasFailed = false) {
    this.#put({ kind: "note", type, hasFailed, at: Date.now(), text, more: 0 });
  }

  clear() {
    this.#rows = [];
    this.#waiting = [];
    this.#totals = { sent: { frames: 0, bytes: 0 }, received: { frames: 0, bytes: 0 } };
    this.#list.replaceChildren(this.#hint);
    this.#tellSums();
  }

  #put(row) {
    this.#waiting.push(row);
    if (this.#waiting.length > FRAMES_MAX) this.#waiting.shift();
    this.#schedule();
  }

  /** However many come, they are drawn once for each picture on the screen. */
  #schedule() {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.#draw();
    }, 30);
  }

  #draw() {
    const list = this.#list;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const fresh = this.#waiting;
    this.#waiting = [];
    if (fresh.length > 0) this.#hint.remove();
    for (const row of fresh) this.#build(row);
    this.#rows.push(...fresh);
    const gone = this.#rows.splice(0, Math.max(0, this.#rows.length - FRAMES_MAX));
    for (const row of gone) row.element.remove();
    list.append(...fresh.filter((row) => !gone.includes(row)).map((row) => row.element));
    if (isAtEnd && fresh.length > 0) list.scrollTop = list.scrollHeight;
    this.#tellSums();
  }

  #build(row) {
    const [sign, meaning] = { sent: ["→", "sent"], received: ["←", "received"], note: ["·", "note"] }[row.kind];
    row.size = element("span", { class: "size" });
    if (row.known) this.#weigh(row);
    row.body = element("span", { class: "text" });
    const direction = element("span", { class: "direction", title: meaning, role: "img", "aria-label": meaning }, sign);
    row.element = element(
      "div",
      { class: `frame ${row.kind}${row.hasFailed ? " failed" : ""}` },
      direction,
      element("span", { class: "time" }, timeOfDay(row.at)),
      element("span", { class: "type" }, row.type),
      row.size,
      row.body,
    );
    this.#write(row);
    this.#sift(row);
  }

  #weigh({ size, known }) {
    setText(size, weight(known));
    size.title = `${known.isAtMost ? "at most " : known.isClose ? "about " : ""}${known.size} bytes`;
  }

  #write(row) {
    let { text } = row;
    if (this.#isPretty && row.more === 0 && row.kind !== "note") {
      try {
        text = JSON.stringify(JSON.parse(text), null, 2);
      } catch {
        // What is no JSON is pretty enough.
      }
    }
    row.body.textContent = row.more > 0 ? `${text}… and ${count(row.more)} characters more` : text;
    row.body.hidden = text === "";
  }

  #sift(row) {
    const wanted = this.#filter.value.trim().toLowerCase();
    row.element.hidden = wanted !== "" && !`${row.kind} ${row.type} ${row.text}`.toLowerCase().includes(wanted);
  }

  #text() {
    const sign = { sent: "→", received: "←", note: "·" };
    return this.#rows
      .filter((row) => !row.element.hidden)
      .map((row) => `${sign[row.kind]} ${timeOfDay(row.at)} ${row.type} ${row.known ? weight(row.known) : ""} ${row.text}`)
      .join("\n");
  }

  #tellSums() {
    const part = (kind, sign) => {
      const { frames, bytes: sum, isClose } = this.#totals[kind];
      return element("span", { class: kind === "sent" ? "in" : "out" }, `${sign} `, element("b", {}, count(frames)), ` ${isClose ? "≈ " : ""}${bytes(sum)}`);
    };
    this.#sums.replaceChildren(part("sent", "→ sent"), part("received", "← received"));
  }
}

/** Small sizes to the byte: that is what one looks for. */
function weight({ size, isClose, isAtMost }) {
  return `${isAtMost ? "≤ " : isClose ? "≈ " : ""}${size < 10_000 ? `${count(size)} B` : bytes(size)}`;
}
