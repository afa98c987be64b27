// One plot: lines or stacked bars over the last five minutes, on a canvas as sharp as the screen.

import { WINDOW_MS } from "./history.js";

const PADDING = { top: 16, right: 1, bottom: 15, left: 1 };
/** What happens now and then is told in bars of so many milliseconds; narrower ones nobody sees. */
export const BAR_MS = 5_000;

/** Colours as the style sheet has them, which are those of the scheme that is on. */
export class Palette {
  #probe = document.createElement("i");
  #known = new Map();

  constructor() {
    this.#probe.className = "unseen";
    document.body.append(this.#probe);
  }

  /** The scheme has changed. */
  forget() {
    this.#known.clear();
  }

  of(name) {
    let colour = this.#known.get(name);
    if (!colour) {
      this.#probe.style.color = `var(--${name})`;
      colour = getComputedStyle(this.#probe).color;
      this.#known.set(name, colour);
    }
    return colour;
  }
}

/** A round number that is not below: for bytes a power of two. */
export function niceCeiling(value, isBytes) {
  if (!(value > 0)) return 1;
  if (isBytes) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * (1 - 1e-9)) * power;
}

export class Plot {
  #canvas;
  #context;
  #width = 0;
  #height = 0;
  #scale = 1;

  /** `figure`: `{lines: [{name, colour, fill?}], bars: prefix, band: name, isBytes, isLog, max, least, format}`. */
  constructor(canvas, figure) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.figure = figure;
  }

  /** The element has other measures, or the screen other pixels. */
  resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#scale = devicePixelRatio || 1;
    [this.#width, this.#height] = [clientWidth, clientHeight];
    this.#canvas.width = Math.round(clientWidth * this.#scale);
    this.#canvas.height = Math.round(clientHeight * this.#scale);
  }

  /** Which time a place on the canvas stands for. */
  timeAt(x, now) {
    const inner = this.#width - PADDING.left - PADDING.right;
    return now - WINDOW_MS + ((x - PADDING.left) / inner) * WINDOW_MS;
  }

  /** `bars`: the names and colours of what is stacked, those first that lie below. */
  draw(history, now, palette, cursor, bars = []) {
    if (this.#width === 0) return;
    const context = this.#context;
    context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    const { figure } = this;
    const stacks = figure.bars ? stack(history, now, bars) : [];
    const { min, max, share } = this.#scaleOf(history, now, stacks);
    const x = (time) => PADDING.left + (1 - (now - time) / WINDOW_MS) * (this.#width - PADDING.left - PADDING.right);
    const y = (value) => this.#height - PADDING.bottom - share(value) * (this.#height - PADDING.top - PADDING.bottom);
    this.#grid(palette, min, max, x, y, now);
    if (figure.band) this.#band(history, now, palette, x);
    for (const bar of stacks) this.#bar(bar, palette, x, y);
    for (const line of figure.lines ?? []) this.#line(history, now, palette, line, x, y);
    if (cursor !== null) this.#cursor(history, palette, cursor, x, y);
  }

  /** From where to where a plot goes, and how far up a value is. */
  #scaleOf(history, now, stacks) {
    const { figure } = this;
    const [lowest, highest] = this.#extent(history, now, stacks);
    if (!figure.isLog) {
      // A line at the very top looks cut off, and less than `least` is noise that must not look like a mountain.
      const max = niceCeiling(figure.max ?? Math.max(highest * 1.05, figure.least ?? 0), figure.isBytes);
      return { min: 0, max, share: (value) => value / max };
    }
    const power = (value, round) => 10 ** round(Math.log10(value));
    const min = lowest > 0 ? power(lowest, Math.floor) : 0.1;
    const max = highest > min ? power(highest, Math.ceil) : min * 10;
    return { min, max, share: (value) => Math.log(Math.max(value, min) / min) / Math.log(max / min) };
  }

  #extent(history, now, stacks) {
    let [lowest, highest] = [Infinity, 0];
    for (const { name } of this.figure.lines ?? []) {
      for (let index = 0; index < history.length; index += 1) {
        const value = history.value(name, index);
        if (!Number.isFinite(value) || history.at(index) < now - WINDOW_MS) continue;
        lowest = Math.min(lowest, value);
        highest = Math.max(highest, value);
      }
    }
    for (const bar of stacks) highest = Math.max(highest, bar.to);
    return [Number.isFinite(lowest) ? lowest : 0, highest];
  }

  #grid(palette, min, max, x, y, now) {
    const context = this.#context;
    context.lineWidth = 1;
    context.font = `11px ${getComputedStyle(this.#canvas).fontFamily}`;
    context.strokeStyle = palette.of("line");
    const [low, high] = [y(min), y(max)];
    for (const place of [low, (low + high) / 2, high]) {
      const at = Math.round(place) + 0.5;
      context.beginPath();
      context.moveTo(0, at);
      context.lineTo(this.#width, at);
      context.stroke();
    }
    context.fillStyle = palette.of("muted");
    context.textAlign = "left";
    context.fillText(this.figure.format(max), PADDING.left, PADDING.top - 5);
    // Nought goes without saying, and another bottom does not.
    if (min > 0) context.fillText(this.figure.format(min), PADDING.left, low - 4);
    const bottom = this.#height - 3;
    context.fillText("5 min ago", PADDING.left, bottom);
    context.textAlign = "right";
    context.fillText("now", this.#width - PADDING.right, bottom);
    for (let minute = 1; minute < 5; minute += 1) {
      const at = Math.round(x(now - minute * 60_000)) + 0.5;
      context.beginPath();
      context.moveTo(at, low);
      context.lineTo(at, low + 4);
      context.stroke();
    }
  }

  /** Along the bottom, whether something was there. */
  #band(history, now, palette, x) {
    const context = this.#context;
    const top = this.#height - PADDING.bottom + 1;
    for (let index = 0; index < history.length; index += 1) {
      const up = history.value(this.figure.band, index);
      const at = history.at(index);
      if (Number.isNaN(up) || at < now - WINDOW_MS) continue;
      context.fillStyle = palette.of(up ? "good" : "bad");
      context.fillRect(x(at - 1000), top, x(at) - x(at - 1000) + 0.5, 3);
    }
  }

  #bar({ start, from, to, colour }, palette, x, y) {
    const left = Math.max(x(start), 0);
    this.#context.fillStyle = palette.of(colour);
    this.#context.fillRect(left, y(to), Math.max(1, x(start + BAR_MS) - left - 1), y(from) - y(to));
  }

  #line(history, now, palette, { name, colour, fill }, x, y) {
    const context = this.#context;
    context.strokeStyle = context.fillStyle = palette.of(colour);
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    for (const piece of pieces(history, name, now - WINDOW_MS)) {
      const points = piece.map(([at, value]) => [x(at), y(value)]);
      const [first, last] = [points[0], points.at(-1)];
      context.beginPath();
      if (points.length === 1) {
        context.arc(first[0], first[1], 2, 0, 2 * Math.PI);
        context.fill();
        continue;
      }
      for (const [left, top] of points) context.lineTo(left, top);
      context.stroke();
      if (!fill) continue;
      context.lineTo(last[0], y(0));
      context.lineTo(first[0], y(0));
      context.globalAlpha = 0.12;
      context.fill();
      context.globalAlpha = 1;
    }
  }

  #cursor(history, palette, index, x, y) {
    const context = this.#context;
    const at = Math.round(x(history.at(index))) + 0.5;
    context.strokeStyle = palette.of("muted");
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(at, PADDING.top);
    context.lineTo(at, this.#height - PADDING.bottom);
    context.stroke();
    context.setLineDash([]);
    for (const { name, colour } of this.figure.lines ?? []) {
      const value = history.value(name, index);
      if (!Number.isFinite(value)) continue;
      context.fillStyle = palette.of(colour);
      context.beginPath();
      context.arc(at, y(value), 3.5, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/** The stretches of a line in which each value is known. */
function* pieces(history, name, since) {
  let piece = [];
  for (let index = 0; index < history.length; index += 1) {
    const [at, value] = [history.at(index), history.value(name, index)];
    if (Number.isFinite(value) && at >= since) {
      piece.push([at, value]);
    } else if (piece.length > 0) {
      yield piece;
      piece = [];
    }
  }
  if (piece.length > 0) yield piece;
}

/** Bars of what was counted, on top of each other. Their borders are at fixed times, so that they do not flicker. */
function stack(history, now, bars) {
  const heights = new Map();
  const stacked = [];
  for (const { name, colour } of bars) {
    const counts = new Map();
    for (let index = 0; index < history.length; index += 1) {
      const [at, value] = [history.at(index), history.value(name, index)];
      if (!(value > 0) || at < now - WINDOW_MS) continue;
      const start = Math.floor(at / BAR_MS) * BAR_MS;
      counts.set(start, (counts.get(start) ?? 0) + value);
    }
    for (const [start, count] of counts) {
      const from = heights.get(start) ?? 0;
      heights.set(start, from + count);
      stacked.push({ start, from, to: from + count, colour });
    }
  }
  return stacked;
}
