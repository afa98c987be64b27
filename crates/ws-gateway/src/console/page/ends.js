// How the last connections of a user ended, also of one who is gone: the gateway remembers some of each.

import { bytes, duration, element, milliseconds } from "./elements.js";

const COLUMNS = [["Ended"], ["Reason", "wide"], ["Code"], ["Lived"], ["Address"], ["Round trip"]];

/** A table below that of connections, while it shows one user's. */
export class Ends {
  #link;
  #now;
  #user = null;
  #isAsking = false;

  /** `now` is the gateway's clock. */
  constructor(link, now) {
    this.#link = link;
    this.#now = now;
    this.element = element("div", { class: "listing ends", hidden: true });
  }

  /** Of this user, or of nobody. */
  async show(user) {
    this.#user = user;
    this.element.hidden = user === null;
    if (user === null) return this.element.replaceChildren();
    // An answer that takes long is waited for, and not asked for again.
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const { ends } = await this.#link.ask("ends", { user });
      if (this.#user === user) this.#draw(user, ends);
    } catch (error) {
      if (this.#user === user) this.element.replaceChildren(element("p", { class: "fault", role: "alert" }, error.message));
    } finally {
      this.#isAsking = false;
    }
    if (this.#user !== user) await this.show(this.#user);
  }

  #draw(user, ends) {
    if (ends.length === 0) {
      return this.element.replaceChildren(element("p", { class: "none" }, `No end of a connection of ${user} is remembered.`));
    }
    const heads = COLUMNS.map(([title, kind]) => element("th", { scope: "col", class: kind ?? "" }, title));
    const rows = ends.map((end) => this.#row(end));
    const table = element("table", { "aria-label": `How connections of ${user} ended` }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
    this.element.replaceChildren(table);
  }

  #row(end) {
    // What else is known stands behind the reason.
    const more = [
      end.rule,
      end.silentMs === null ? null : `silent for ${milliseconds(end.silentMs)}`,
      end.queuedBytes > 0 ? `${bytes(end.queuedBytes)} waited` : null,
    ].filter(Boolean);
    const cells = [
      [`${duration(this.#now() - end.endedAt)} ago`],
      [element("b", {}, end.reason), more.length > 0 ? ` ${more.join(", ")}` : ""],
      [String(end.code ?? "–")],
      [duration(end.livedMs)],
      [end.address ?? "–"],
      [typeof end.latencyMs === "number" ? milliseconds(end.latencyMs) : "–"],
    ];
    const cell = (parts, index) => {
      const [title, kind] = COLUMNS[index];
      return element("td", { class: kind ?? "", "data-label": title }, ...parts);
    };
    const row = element("tr", {}, ...cells.map(cell));
    row.title = `${end.connectionId}, ${new Date(end.endedAt).toLocaleString()}`;
    return row;
  }
}
