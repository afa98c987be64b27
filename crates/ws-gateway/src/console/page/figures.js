// The figures as cards: their plots, the numbers beside them, and what is told at which time.

import { FIGURES, highest, lowest } from "./catalogue.js";
import { announce, byId, count, duration, element, setText } from "./elements.js";
import { History, Rates, WINDOW_MS } from "./history.js";
import { BAR_MS, Palette, Plot } from "./plots.js";

const STACK = ["stack-1", "stack-2", "stack-3", "stack-4", "stack-5", "stack-6", "stack-7", "stack-8"];

export class Figures {
  #history = new History();
  #rates = new Rates();
  #palette = new Palette();
  #cards;
  #hello = null;
  #broker = null;
  #suspect = null;
  /** The row that is pointed at, by its time; null: the present. */
  #cursor = null;
  /** Between two samples the plots move on by the page's own clock. */
  #last = { at: Date.now(), heard: performance.now() };

  constructor(root) {
    this.#cards = FIGURES.map((figure) => this.#card(figure));
    root.replaceChildren(...this.#cards.map(({ card }) => card));
    const watch = new ResizeObserver(() => {
      for (const { plot } of this.#cards) plot.resize();
      this.draw();
    });
    watch.observe(root);
    // Time goes on where nobody tells anything.
    setInterval(() => document.hidden || performance.now() - this.#last.heard < 1500 || this.draw(), 1000);
    document.addEventListener("visibilitychange", () => document.hidden || this.draw());
  }

  hello(hello) {
    // Perhaps it is another run, which counts from nothing.
    this.#rates.forget();
    this.#hello = hello;
  }

  sample(sample) {
    this.#broker = sample.broker;
    this.#suspect = sample.suspect;
    this.#history.push(sample.at, this.#rates.next(sample));
    this.#last = { at: sample.at, heard: performance.now() };
    if (!document.hidden) this.draw();
  }

  /** Nobody has told anything for a while. */
  lost() {
    this.#history.gap(this.now);
    this.#rates.forget();
    this.draw();
  }

  recolour() {
    this.#palette.forget();
    this.draw();
  }

  /** The gateway's time. */
  get now() {
    return this.#last.at + (performance.now() - this.#last.heard);
  }

  draw() {
    const history = this.#history;
    const now = this.now;
    const cursor = this.#cursor === null ? -1 : history.nearest(this.#cursor);
    for (const card of this.#cards) {
      const { figure, plot } = card;
      const bars = figure.bars ? this.#bars(figure, card.colours, now) : [];
      plot.draw(history, now, this.#palette, cursor < 0 ? null : cursor, bars);
      this.#tell(card, cursor, bars, now);
    }
    setText(byId("when"), cursor < 0 ? "the last 5 minutes" : `${duration(now - history.at(cursor))} ago`);
  }

  /** What is stacked. Whatever comes first takes the first colour, and keeps it. */
  #bars({ bars: prefix }, colours, now) {
    return this.#history
      .names(prefix)
      .map((name) => ({ name, sum: this.#history.sum(name, now - WINDOW_MS) }))
      .filter(({ sum }) => sum > 0)
      .map((bar) => {
        if (!colours.has(bar.name)) colours.set(bar.name, STACK[colours.size % STACK.length]);
        return { ...bar, colour: colours.get(bar.name) };
      });
  }

  #tell(card, cursor, bars, now) {
    const { figure, shown, note, canvas } = card;
    const history = this.#history;
    const index = cursor < 0 ? history.length - 1 : cursor;
    const isEmpty = history.length === 0 || figure.isEmpty(history, index);
    const empty = figure.emptyIf?.(this.#hello) ?? figure.empty;
    setText(note, history.length === 0 ? "Waiting for the first figures…" : empty);
    note.hidden = !isEmpty;
    if (figure.bars) this.#tellBars(card, cursor, bars, now);
    for (const { value, output } of shown) {
      read(output, (value.format ?? figure.format)(index < 0 ? NaN : history.value(value.name, index)));
    }
    if (figure.id === "broker") this.#tellBroker(card);
    if (figure.id === "ends") this.#tellSuspect(card);
    // Whoever has it read aloud is not to be told each second anew.
    if (now - card.toldAt > 10_000 || card.isEmpty !== isEmpty) {
      [card.toldAt, card.isEmpty] = [now, isEmpty];
      canvas.setAttribute("aria-label", isEmpty ? `${figure.title}: ${empty}` : this.#summary(card, bars));
    }
  }

  #tellBars({ figure, legend, sum }, cursor, bars, now) {
    const history = this.#history;
    // What is pointed at is a bar.
    const start = cursor < 0 ? now - WINDOW_MS : Math.floor(history.at(cursor) / BAR_MS) * BAR_MS;
    const end = cursor < 0 ? Infinity : start + BAR_MS;
    const labels = bars.map((bar) => ({ ...bar, told: history.sum(bar.name, start, end) }));
    setText(sum.nextSibling, cursor < 0 ? " in 5 min" : " in these 5 s");
    setText(sum, count(labels.reduce((all, { told }) => all + told, 0)));
    const key = labels.map(({ name }) => name).join();
    if (legend.dataset.key !== key) {
      legend.dataset.key = key;
      legend.replaceChildren(
        ...labels.map(({ name, colour }) =>
          element("li", {}, element("i", { class: `swatch ${colour}` }), element("b"), ` ${words(name.slice(figure.bars.length))}`),
        ),
      );
    }
    labels.forEach(({ told }, index) => setText(legend.children[index].querySelector("b"), count(told)));
  }

  #tellBroker({ hint }) {
    const broker = this.#broker;
    if (!broker) return;
    const state = broker.up ? "up" : "down";
    setText(hint, `${broker.kind}, ${state}${!broker.up && broker.reason ? `: ${broker.reason}` : ""}`);
    hint.className = `hint broker ${broker.up ? "good" : "bad"}`;
  }

  /** Who cuts connections on their way, if it looks so. */
  #tellSuspect({ figure, hint }) {
    setText(hint, this.#suspect ?? figure.hint);
    hint.title = this.#suspect ?? "";
    hint.className = this.#suspect ? "hint bad" : "hint";
  }

  /** A figure in words. */
  #summary({ figure }, bars) {
    const history = this.#history;
    if (figure.bars) {
      const parts = bars.map(({ name, sum }) => `${words(name.slice(figure.bars.length))} ${count(sum)}`);
      return `${figure.title} over the last 5 minutes: ${parts.join(", ")}`;
    }
    const parts = figure.values
      .filter(({ colour }) => colour)
      .map(({ name, label }) => {
        const told = [history.value(name, history.length - 1), lowest(history, name), highest(history, name)];
        const [now, least, most] = told.map((value) => (Number.isFinite(value) ? figure.format(value) : "unknown"));
        return `${label} ${now} now, between ${least} and ${most}`;
      });
    return `${figure.title} over the last 5 minutes: ${parts.join("; ")}`;
  }

  #card(figure) {
    const values = figure.values ?? [];
    const shown = values.map((value) => ({ value, output: element("b", { "data-value": value.name }) }));
    const note = element("p", { class: "empty" });
    const hint = element("p", { class: "hint" }, figure.hint ?? "");
    const canvas = element("canvas", { tabIndex: 0, role: "img", "aria-label": figure.title });
    const readings = shown.map(({ value, output }) => {
      const swatch = value.colour ? [element("i", { class: `swatch ${value.colour}` })] : [];
      return element("p", {}, output, " ", ...swatch, value.label);
    });
    const legend = element("ul", { class: "legend" });
    const sum = element("b", { "data-value": figure.id });
    if (figure.bars) readings.push(element("p", {}, sum, " in 5 min"));
    const [first, ...others] = readings;
    const readout = element("div", { class: "readings" }, first, element("div", {}, ...others));
    const title = element("h3", {}, figure.title);
    const plotted = element("div", { class: "plot" }, canvas, note);
    const parts = [element("figcaption", {}, title, hint), readout, plotted];
    if (figure.bars) parts.push(legend);
    const card = element("figure", { class: "card", "data-figure": figure.id }, ...parts);
    const plot = new Plot(canvas, { ...figure, lines: values.filter(({ colour }) => colour) });
    const made = { figure, card, canvas, plot, shown, note, hint, legend, sum, colours: new Map(), toldAt: -Infinity };
    this.#follow(made);
    return made;
  }

  /** All plots show what was at the time that is pointed at in one of them. */
  #follow({ figure, canvas, plot }) {
    const point = (time) => {
      this.#cursor = time;
      this.draw();
    };
    canvas.addEventListener("pointermove", ({ offsetX }) => point(plot.timeAt(offsetX, this.now)));
    canvas.addEventListener("pointerleave", () => point(null));
    canvas.addEventListener("blur", () => point(null));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
      if (event.key === "Escape") return point(null);
      if (!step || this.#history.length === 0) return;
      event.preventDefault();
      const history = this.#history;
      const from = this.#cursor === null ? history.length - 1 : history.nearest(this.#cursor);
      const index = Math.min(history.length - 1, Math.max(0, from + step));
      point(history.at(index));
      const values = figure.values ?? history.names(figure.bars).map((name) => ({ name, label: words(name.slice(figure.bars.length)) }));
      const told = values
        .map(({ name, label, format }) => [label, history.value(name, index), format ?? figure.format])
        .filter(([, value]) => !figure.bars || value > 0)
        .map(([label, value, format]) => `${label} ${format(value)}`);
      announce(`${duration(this.now - history.at(index))} ago: ${told.join(", ") || "none"}`);
    });
  }
}

/** Shows a figure, its unit smaller than its number. */
function read(output, text) {
  if (output.textContent === text) return;
  const [, number, unit] = /^(\D*[\d.,]+)(.*)$/.exec(text) ?? [null, text, ""];
  output.replaceChildren(number, element("small", {}, unit));
}

/** `peer_closed` as one says it. */
const words = (label) => label.replaceAll("_", " ");
