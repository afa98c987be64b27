// Who is connected, and what they listen to: searched and paged by the gateway, looked at again every few seconds.

import { confirmClose } from "./dialogs.js";
import { byId, bytes, count, duration, element, milliseconds, setText } from "./elements.js";
import { Ends } from "./ends.js";

const PAGE = 25;
const REFRESH_MS = 3_000;
const DEBOUNCE_MS = 250;
/** Of more channels than this the details name no more. */
const CHANNELS_SHOWN = 100;

/** A searched and paged table. Subclasses say what is asked for, and how a row is drawn. */
class Listing {
  #link;
  #root;
  #search;
  #body;
  #none;
  #paging;
  #previous;
  #next;
  #fault;
  #said;
  #rows = new Map();
  /** Where the pages before this one began. */
  #pages = [];
  #after = undefined;
  #following = null;
  #asked = 0;
  #unanswered = 0;
  #debounce = 0;
  #isSeen = false;

  constructor(root, link, { label, placeholder, columns }) {
    this.#link = link;
    this.#root = root;
    this.#search = element("input", { type: "search", placeholder, autocomplete: "off", spellcheck: false, "aria-label": placeholder });
    this.tools = element("div", { class: "search", role: "search" }, this.#search);
    this.#body = element("tbody");
    const heads = columns.map(([title, kind]) => element("th", { scope: "col", class: kind ?? "" }, title || element("span", { class: "unseen" }, "Actions")));
    this.table = element("table", { "aria-label": label }, element("thead", {}, element("tr", {}, ...heads)), this.#body);
    this.columns = columns;
    this.#none = element("p", { class: "none" }, "Waiting for the gateway…");
    this.#fault = element("p", { class: "fault", role: "alert" });
    this.#said = element("p", { class: "said", role: "status" });
    this.#previous = element("button", { type: "button", class: "small" }, "Previous");
    this.#next = element("button", { type: "button", class: "small" }, "Next");
    const place = element("span");
    this.#paging = element("div", { class: "paging" }, place, this.#previous, this.#next);
    this.place = place;
    this.table.hidden = this.#paging.hidden = true;
    root.replaceChildren(this.tools, this.#said, this.#fault, this.table, this.#none, this.#paging);
    this.#search.oninput = () => {
      clearTimeout(this.#debounce);
      this.#debounce = setTimeout(() => this.restart(), DEBOUNCE_MS);
    };
    this.#next.onclick = () => this.#turn(() => (this.#pages.push(this.#after), (this.#after = this.#following)));
    this.#previous.onclick = () => this.#turn(() => (this.#after = this.#pages.pop()));
    new IntersectionObserver(([entry]) => {
      this.#isSeen = entry.isIntersecting;
      if (this.#isSeen) this.refresh();
    }).observe(root);
    // A gateway that takes longer is not asked again meanwhile: nothing but the last answer is shown, and it would never come.
    setInterval(() => this.#isSeen && !document.hidden && this.#unanswered === 0 && this.refresh(), REFRESH_MS);
  }

  get search() {
    return this.#search.value.trim();
  }

  /** Tells what became of an order. */
  say(text) {
    setText(this.#said, text);
  }

  /** From the first page on. */
  restart() {
    this.#pages = [];
    this.#after = undefined;
    return this.refresh();
  }

  #turn(change) {
    change();
    return this.refresh();
  }

  async refresh() {
    if (!this.#link.isOpen) return;
    const asked = (this.#asked += 1);
    this.#unanswered += 1;
    try {
      const answer = await this.ask({ search: this.search || undefined, after: this.#after, limit: PAGE });
      // Only what was asked last is shown, in whatever order answers come.
      if (asked !== this.#asked) return;
      this.#following = answer.next ?? null;
      // What is left of the last page may be nothing, when those on it have gone.
      if (answer.items.length === 0 && !answer.next && this.#pages.length > 0) return this.#turn(() => (this.#after = this.#pages.pop()));
      setText(this.#fault, "");
      this.#show(answer);
    } catch (error) {
      if (asked === this.#asked) setText(this.#fault, error.message);
    } finally {
      this.#unanswered -= 1;
    }
  }

  #show({ items, total }) {
    const keys = items.map((item) => this.key(item));
    for (const [key, row] of this.#rows) {
      if (keys.includes(key)) continue;
      row.details?.remove();
      row.element.remove();
      this.#rows.delete(key);
    }
    let previous = null;
    items.forEach((item, index) => {
      let row = this.#rows.get(keys[index]);
      if (!row) {
        row = this.draw(item);
        row.element.dataset.key = keys[index];
        this.#rows.set(keys[index], row);
      }
      row.update(item);
      // A row stays the element that it was, and keeps the focus; it is moved only where it is not in its place.
      const place = previous ? previous.nextSibling : this.#body.firstChild;
      if (place !== row.element) this.#body.insertBefore(row.element, place);
      if (row.details && row.element.nextSibling !== row.details) row.element.after(row.details);
      previous = row.details ?? row.element;
    });
    const isEmpty = items.length === 0;
    this.table.hidden = isEmpty;
    this.#none.hidden = !isEmpty;
    // A gateway with very many looks for a while, and then asks whether to go on.
    const nothing = this.#following ? "Nothing of that name so far: the next page looks on." : "Nothing of that name.";
    setText(this.#none, this.search ? nothing : this.empty);
    const first = this.#pages.length * PAGE;
    this.#paging.hidden = !this.#following && this.#pages.length === 0;
    this.#previous.disabled = this.#pages.length === 0;
    this.#next.disabled = !this.#following;
    // The total is of all, not of those that were searched for.
    const of = this.search ? "" : ` of ${count(total)}`;
    setText(this.place, isEmpty ? "" : `${count(first + 1)} to ${count(first + items.length)}${of}`);
    this.totalled(total);
  }

  /** A cell, named for where a row is a card. */
  cell(index, ...children) {
    const [title, kind] = this.columns[index];
    return element("td", { class: kind ?? "", "data-label": title }, ...children);
  }
}

export class Connections extends Listing {
  #link;
  #user = null;
  #chip;
  #now;
  #ends;
  #askEnds;
  empty = "Nobody is connected. Connect a pane of the playground, and it stands here.";

  /** `now` is the gateway's clock. */
  constructor(root, link, now) {
    const columns = [["User", "wide"], ["Address"], ["Connected"], ["Round trip", "figure"], ["State"], ["", "actions"]];
    super(root, link, { label: "Connections", placeholder: "Search users, addresses, connections", columns });
    this.#link = link;
    this.#now = now;
    this.#chip = element("div", { class: "tools", hidden: true });
    this.tools.append(this.#chip);
    this.#ends = new Ends(link, now);
    root.after(this.#ends.element);
    // Who is gone stands in no row: the name that was typed is asked for.
    this.#askEnds = element("button", { type: "button", class: "small", hidden: true }, "How did it end?");
    this.#askEnds.title = "How the last connections of the user of exactly this name ended";
    this.#askEnds.onclick = () => this.only(this.search);
    this.tools.append(this.#askEnds);
    this.tools.addEventListener("input", () => (this.#askEnds.hidden = this.search === "" || this.#user !== null));
  }

  async refresh() {
    await super.refresh();
    if (this.#user !== null) await this.#ends.show(this.#user);
  }

  ask(fields) {
    return this.#link.ask("connections", { ...fields, user: this.#user ?? undefined });
  }

  key({ id }) {
    return id;
  }

  totalled(total) {
    setText(byId("connections-total"), this.#user === null ? `${count(total)} open` : `${count(total)} of this user`);
  }

  /** Those of one user, or of all. */
  only(user) {
    this.#user = user;
    this.#chip.hidden = user === null;
    this.#askEnds.hidden = this.search === "" || user !== null;
    if (user === null) this.#ends.show(null);
    if (user !== null) {
      const all = element("button", { type: "button", class: "small", onclick: () => this.only(null) }, "Show everybody");
      const end = element("button", { type: "button", class: "small danger", onclick: () => this.#disconnect(user) }, "Disconnect user…");
      this.#chip.replaceChildren(element("span", { class: "chip" }, "only ", element("b", {}, user)), all, end);
      all.focus();
    }
    return this.restart();
  }

  draw(item) {
    const user = element("button", { type: "button", class: "link" });
    user.onclick = () => this.only(user.textContent);
    const nobody = element("span", { class: "hint" }, "not authenticated");
    const cells = {
      address: this.cell(1),
      connected: this.cell(2),
      latency: this.cell(3),
      state: element("span", { class: "state" }),
    };
    const row = { element: element("tr"), details: null };
    const more = element("button", { type: "button", class: "small", "aria-expanded": "false" }, "Details");
    const close = element("button", { type: "button", class: "small" }, "Close…");
    more.onclick = () => this.#toggle(row, item.id, more);
    close.onclick = () => this.#close(item.id, user.textContent);
    row.element.append(this.cell(0, user, nobody), cells.address, cells.connected, cells.latency, this.cell(4, cells.state), this.cell(5, more, close));
    row.update = (now) => {
      setText(user, now.userId ?? "");
      user.hidden = !now.userId;
      nobody.hidden = Boolean(now.userId);
      setText(cells.address, now.address ?? "–");
      setText(cells.connected, `${duration(this.#now() - now.connectedAt)} ago`);
      cells.connected.title = new Date(now.connectedAt).toLocaleString();
      setText(cells.latency, typeof now.latencyMs === "number" ? milliseconds(now.latencyMs) : "not yet");
      const [state, kind] = now.closing ? ["closing", "warn"] : now.healthy ? ["healthy", "good"] : ["missed a pong", "bad"];
      setText(cells.state, state);
      cells.state.className = `state ${kind}`;
      const who = now.userId ?? now.id;
      more.setAttribute("aria-label", `Details of ${who}`);
      close.setAttribute("aria-label", `Close a connection of ${who}`);
    };
    return row;
  }

  async #toggle(row, connection, button) {
    if (row.details) {
      row.details.remove();
      row.details = null;
      button.setAttribute("aria-expanded", "false");
      return;
    }
    const cell = element("td", { colSpan: this.columns.length }, "…");
    row.details = element("tr", { class: "details" }, cell);
    row.element.after(row.details);
    button.setAttribute("aria-expanded", "true");
    try {
      cell.replaceChildren(details(connection, await this.#link.ask("connection", { connection })));
    } catch (error) {
      cell.replaceChildren(element("p", { class: "fault" }, error.message));
    }
  }

  async #close(connection, user) {
    const who = user || "somebody who has not authenticated";
    const text = `The connection ${connection} gets a close frame with this code. What its client does then depends on the code.`;
    const answer = await confirmClose({ title: `Close a connection of ${who}?`, text, yes: "Close it" });
    if (!answer) return;
    await this.#order("close", { connection, ...answer }, ({ found }) => (found ? "It is being closed" : "It had gone already"));
  }

  async #disconnect(user) {
    const text = "All connections of this user, on every gateway that shares the engine, get a close frame with this code.";
    const answer = await confirmClose({ title: `Disconnect ${user}?`, text, yes: "Disconnect" });
    if (!answer) return;
    await this.#order("disconnect", { user, ...answer }, (told) => `${count(told.count)} ${told.count === 1 ? "connection is" : "connections are"} being closed`);
  }

  async #order(type, fields, said) {
    try {
      this.say(said(await this.#link.ask(type, { ...fields, reason: fields.reason || undefined })));
    } catch (error) {
      this.say(error.message);
    }
    await this.refresh();
  }
}

function details(id, told) {
  const about = told.item ?? told.connection ?? told;
  const entry = (term, ...parts) => [element("dt", {}, term), element("dd", {}, ...parts)];
  const channels = (told.channels ?? about.channels ?? []).map((channel) => (typeof channel === "string" ? channel : channel.name));
  const shown = channels.slice(0, CHANNELS_SHOWN).map((name) => element("span", { class: "chip mono" }, name));
  if (channels.length > shown.length) shown.push(`and ${count(channels.length - shown.length)} more`);
  const queued = told.queuedBytes ?? about.queuedBytes;
  return element(
    "dl",
    {},
    ...entry("Connection", element("span", { class: "mono" }, id)),
    ...entry("Channels", ...(shown.length > 0 ? shown : ["none"])),
    ...(Number.isFinite(queued) ? entry("Waits to be read", bytes(queued)) : []),
  );
}

export class Channels extends Listing {
  #link;
  #most = 1;
  #use;
  empty = "There are no channels: one is there as soon as somebody subscribes to it.";

  /** `use` takes a channel to the playground. */
  constructor(root, link, use) {
    const columns = [["Channel", "wide"], ["Subscribers"], ["", "actions"]];
    super(root, link, { label: "Channels", placeholder: "Search channels", columns });
    this.#link = link;
    this.#use = use;
  }

  async ask(fields) {
    const answer = await this.#link.ask("channels", fields);
    this.#most = answer.items.reduce((most, { subscribers }) => Math.max(most, subscribers), 1);
    return answer;
  }

  key({ name }) {
    return name;
  }

  totalled(total) {
    setText(byId("channels-total"), `${count(total)} in use`);
  }

  draw({ name }) {
    const subscribers = element("span");
    const meter = element("progress", { class: "meter" });
    meter.setAttribute("aria-hidden", "true");
    const use = element("button", { type: "button", class: "small", "aria-label": `Use ${name} in the playground` }, "Use in playground");
    use.onclick = () => this.#use(name);
    const row = element("tr", {}, this.cell(0, element("span", { class: "mono" }, name)), this.cell(1, subscribers, meter), this.cell(2, use));
    return {
      element: row,
      details: null,
      update: (now) => {
        setText(subscribers, count(now.subscribers));
        meter.max = this.#most;
        meter.value = now.subscribers;
      },
    };
  }
}
