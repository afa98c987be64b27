// The inspector: who does how much, and what passes between the gateway and one user or channel while somebody looks.

import { bytes, count, duration, element, milliseconds, setText, timeOfDay } from "./elements.js";

const REFRESH_MS = 2_000;
const ROWS = 25;
/** So many lines are kept. */
const LINES_MAX = 500;

const option = ([value, text]) => element("option", { value }, text);
const select = (label, name, options) => element("label", {}, label, element("select", { name }, ...options.map(option)));
const field = (label, name, placeholder) => element("label", {}, label, element("input", { name, placeholder, autocomplete: "off", spellcheck: false }));

/** What the gateway says of the way to it when it is asked, and both parts of the section. */
export class Inspector {
  #trace;
  #busiest;

  constructor(root, link) {
    this.#trace = new Trace(link);
    this.#busiest = new Busiest(link, (user) => this.#trace.of(user));
    root.replaceChildren(this.#busiest.element, this.#trace.element);
  }

  traced(message) {
    this.#trace.traced(message);
  }

  /** There is no connection to the gateway any more, and with it went the trace. */
  lost() {
    this.#trace.lost();
  }
}

/** Counts nothing before it is told to, for counting costs the gateway something. */
class Busiest {
  #link;
  #traceUser;
  #switch = element("button", { type: "button", "aria-pressed": "false" }, "Count rates");
  #filters;
  #said = element("p", { class: "said", role: "status" });
  #fault = element("p", { class: "fault", role: "alert" });
  #body = element("tbody");
  #table;
  #isCounting = false;
  #isAsked = false;
  #rows = new Map();

  constructor(link, traceUser) {
    this.#link = link;
    this.#traceUser = traceUser;
    const sorts = [["rate", "messages"], ["bytes", "bytes"], ["queued", "waiting bytes"], ["latency", "round trip"], ["oldest", "age"]];
    this.#filters = element(
      "form",
      { class: "row wraps" },
      select("The most", "sort", sorts),
      field("Only user", "user", "anybody"),
      field("Only channel", "channel", "any"),
      field("Only clients named", "agent", "any"),
    );
    const titles = ["User", "Messages in", "Messages out", "Bytes in", "Bytes out", "Waiting", "Round trip", "Client"];
    const heads = titles.map((title, index) => element("th", { scope: "col", class: index > 0 && index < 7 ? "figure" : "" }, title));
    heads.push(element("th", { scope: "col" }, element("span", { class: "unseen" }, "Actions")));
    this.titles = titles;
    this.#table = element("table", { "aria-label": "The busiest connections", hidden: true }, element("thead", {}, element("tr", {}, ...heads)), this.#body);
    this.element = element("div", { class: "listing inspected" }, element("div", { class: "tools" }, this.#switch), this.#filters, this.#said, this.#fault, this.#table);
    this.#switch.onclick = () => this.#turn(!this.#isCounting);
    this.#filters.onsubmit = (event) => event.preventDefault();
    this.#filters.oninput = () => this.#isCounting && this.#ask();
    setInterval(() => this.#isCounting && !document.hidden && this.#ask(), REFRESH_MS);
  }

  #turn(isCounting) {
    this.#isCounting = isCounting;
    this.#switch.setAttribute("aria-pressed", String(isCounting));
    setText(this.#switch, isCounting ? "Stop counting" : "Count rates");
    if (isCounting) this.#ask();
    else setText(this.#said, "These are the last figures; nothing is counted now.");
  }

  async #ask() {
    // A gateway that takes longer is not asked again meanwhile.
    if (this.#isAsked || !this.#link.isOpen) return;
    this.#isAsked = true;
    const wanted = Object.fromEntries([...new FormData(this.#filters)].map(([name, value]) => [name, value.trim()]));
    try {
      this.#show(await this.#link.ask("inspect", { ...wanted, limit: ROWS }));
      setText(this.#fault, "");
    } catch (error) {
      setText(this.#fault, error.message);
    } finally {
      this.#isAsked = false;
    }
  }

  #show({ connections, matched, total, agents, complete }) {
    if (!this.#isCounting) return;
    const clients = agents.map(({ agent, connections: number }) => `${count(number)} × ${agent ?? "unnamed"}`).join(", ");
    const partly = complete ? "" : ", as far as there was time to look";
    setText(this.#said, `${count(matched)} of ${count(total)} connections${partly}. ${clients}`);
    const ids = connections.map(({ id }) => id);
    for (const [id, row] of this.#rows) {
      if (ids.includes(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    let previous = null;
    for (const told of connections) {
      const row = this.#rows.get(told.id) ?? this.#draw(told.id);
      row.update(told);
      // What has the focus stays where it is in the page as long as it is in its place.
      const place = previous ? previous.nextSibling : this.#body.firstChild;
      if (place !== row.element) this.#body.insertBefore(row.element, place);
      previous = row.element;
    }
    this.#table.hidden = connections.length === 0;
  }

  #draw(id) {
    const cells = this.titles.map((title, index) => element("td", { class: index === 0 ? "wide" : index < 7 ? "figure" : "", "data-label": title }));
    const trace = element("button", { type: "button", class: "small" }, "Trace");
    const made = element("tr", {}, ...cells, element("td", { class: "actions" }, trace));
    const update = (told) => {
      const rate = (value, unit) => (value === null ? "–" : unit(value));
      const user = told.userId ?? "not authenticated";
      const texts = [
        user,
        rate(told.messagesInPerSecond, (value) => `${count(value)}/s`),
        rate(told.messagesOutPerSecond, (value) => `${count(value)}/s`),
        rate(told.bytesInPerSecond, (value) => `${bytes(value)}/s`),
        rate(told.bytesOutPerSecond, (value) => `${bytes(value)}/s`),
        bytes(told.queuedBytes),
        typeof told.latencyMs === "number" ? milliseconds(told.latencyMs) : "not yet",
        told.agent ?? "–",
      ];
      texts.forEach((text, index) => setText(cells[index], text));
      trace.setAttribute("aria-label", `Trace ${user}`);
      trace.onclick = () => this.#traceUser(told.userId ? { user: told.userId } : { connection: id });
    };
    const row = { element: made, update };
    this.#rows.set(id, row);
    return row;
  }
}

class Trace {
  #link;
  #form;
  #start = element("button", { class: "primary" }, "Start a trace");
  #stop = element("button", { type: "button", disabled: true }, "Stop");
  #clear = element("button", { type: "button", class: "small" }, "Clear");
  #said = element("p", { class: "said", role: "status" }, "Nothing is traced.");
  #fault = element("p", { class: "fault", role: "alert" });
  #list;
  #hint = element("p", {}, "What passes appears here, with its direction, its time, its type and its length. Each trace is in the gateway’s audit log.");
  #until = 0;
  #counts = null;

  constructor(link) {
    this.#link = link;
    const payloads = element("label", { class: "check" }, element("input", { type: "checkbox", name: "payloads" }), "With payloads, which may be private");
    this.#form = element(
      "form",
      { "aria-label": "What is traced" },
      element(
        "div",
        { class: "row wraps" },
        field("User", "user", "such as alice"),
        field("Channel", "channel", "such as room:1"),
        field("Connection", "connection", "an id"),
        select("One message in", "sample", [["1", "1"], ["10", "10"], ["100", "100"], ["1000", "1000"]]),
        select("For", "for", [["60s", "a minute"], ["5m", "5 minutes"], ["15m", "15 minutes"], ["1h", "an hour"]]),
      ),
      element("div", { class: "tools" }, payloads, this.#start, this.#stop, this.#clear),
    );
    this.#list = element("div", { class: "frames", tabIndex: 0, role: "region", "aria-label": "What is traced" }, this.#hint);
    this.element = element("div", { class: "traced" }, this.#form, this.#said, this.#fault, this.#list);
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#begin();
    };
    this.#stop.onclick = () => this.#end();
    this.#clear.onclick = () => this.#list.replaceChildren(this.#hint);
    setInterval(() => this.#until > 0 && this.#tell(), 1_000);
  }

  /** Of that user or that connection, without further questions: what was typed before was about somebody else. */
  of(whom) {
    this.#form.reset();
    for (const [name, value] of Object.entries(whom)) this.#form.elements[name].value = value;
    this.element.scrollIntoView({ block: "nearest" });
    this.#begin();
  }

  async #begin() {
    const wanted = Object.fromEntries([...new FormData(this.#form)].map(([name, value]) => [name, value.trim()]));
    wanted.payloads = this.#form.elements.payloads.checked;
    try {
      const { trace } = await this.#link.ask("trace", wanted);
      setText(this.#fault, "");
      this.#until = Date.now() + trace.forMs;
      this.#counts = null;
      this.#stop.disabled = false;
      this.#tell();
    } catch (error) {
      setText(this.#fault, error.message);
    }
  }

  async #end() {
    this.#over("The trace was stopped.");
    try {
      await this.#link.ask("untrace");
    } catch {
      // Then it has ended already.
    }
  }

  #over(why) {
    if (this.#until === 0) return;
    this.#until = 0;
    // A button that goes takes the focus of whoever has pressed it with it.
    if (document.activeElement === this.#stop) this.#start.focus();
    this.#stop.disabled = true;
    setText(this.#said, `${why} ${this.#sums()}`.trim());
  }

  lost() {
    this.#over("The trace ended with the connection to the gateway.");
  }

  #sums() {
    if (!this.#counts) return "";
    const { told, sampledOut, limited, dropped } = this.#counts;
    const missing = sampledOut + limited + dropped;
    const parts = `${count(sampledOut)} sampled out, ${count(limited)} beyond the rate, ${count(dropped)} too fast`;
    return `${count(told)} shown${missing > 0 ? `; not shown: ${parts}` : ""}.`;
  }

  #tell() {
    setText(this.#said, `Tracing for ${duration(Math.max(0, this.#until - Date.now()))} more. ${this.#sums()}`.trim());
  }

  traced({ lines, state }) {
    this.#counts = state;
    const list = this.#list;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    if (lines.length > 0) this.#hint.remove();
    list.append(...lines.map(drawn));
    while (list.childElementCount > LINES_MAX) list.firstElementChild.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    if (state.type === "end") this.#over("The time of the trace is over.");
  }
}

/** What a line is about, in words. */
function described(told) {
  if (told.type === "opened") return `by ${told.agent ?? "a client without a name"}`;
  if (told.type === "ended") return `${told.reason}${told.code ? `, ${told.code}` : ""}, after ${duration(told.livedMs)}`;
  if (told.type === "failed") return `${told.rule}, ${told.code}`;
  if (told.frame === "close") return `${told.code ?? "no code"} ${told.reason}`.trim();
  if (typeof told.roundTripMs === "number") return milliseconds(told.roundTripMs);
  const parts = [told.channel, told.event, told.code, told.id === undefined ? null : `id ${JSON.stringify(told.id)}`].filter(Boolean);
  if (told.secret) parts.push("withheld: it may hold a token");
  if (told.unreadable) parts.push("no object of JSON");
  if (told.payload !== undefined) parts.push(`${told.payload}${told.cut ? "…" : ""}`);
  return parts.join(" · ");
}

function drawn(told) {
  const kind = told.type === "frame" ? (told.direction === "in" ? "sent" : "received") : "note";
  const [sign, meaning] = { sent: ["→", "from the client"], received: ["←", "to the client"], note: ["·", "note"] }[kind];
  const type = told.type === "frame" ? (told.message ?? told.frame) : told.type;
  const hasFailed = told.type === "failed" || told.message === "error";
  const who = told.userId ?? "nobody";
  return element(
    "div",
    { class: `frame ${kind}${hasFailed ? " failed" : ""}` },
    element("span", { class: "direction", title: meaning, role: "img", "aria-label": meaning }, sign),
    element("span", { class: "time" }, timeOfDay(told.at)),
    element("span", { class: "type" }, type),
    element("span", { class: "size" }, told.bytes === undefined ? "" : bytes(told.bytes)),
    element("span", { class: "text" }, `${who} ${told.connection.slice(0, 8)} ${described(told)}`.trim()),
  );
}
