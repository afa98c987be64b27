// Which figures there are: what each is called, what it is made of, what it says where there is nothing to see.

import { bytes, count, milliseconds } from "./elements.js";
import { ROUND_TRIP_WINDOW } from "./history.js";

/** What is not known is told as such, and without a unit. */
const known = (format) => (value) => (Number.isFinite(value) ? format(value) : "–");
const perSecond = known((value) => `${count(value)}/s`);
const bytesPerSecond = known((value) => `${bytes(value)}/s`);
const percent = known((value) => `${value < 10 ? value.toFixed(1) : count(value)} %`);
const times = known((value) => `× ${count(value)}`);

/** `values` are shown beside the plot, the first of them large; those with a colour are drawn as well. */
export const FIGURES = [
  {
    id: "connections", title: "Connections", format: count,
    values: [
      { name: "connections", label: "open", colour: "in", fill: true },
      { name: "users", label: "users", colour: "violet" },
    ],
    empty: "Nobody is connected. The playground below can be the first.",
    isEmpty: (history, last) => !(highest(history, "connections") > 0) && last >= 0,
  },
  {
    id: "messages", title: "Messages", format: perSecond,
    values: [
      { name: "in", label: "in", colour: "in", fill: true },
      { name: "out", label: "delivered", colour: "out" },
    ],
    empty: "Nothing was said in these minutes.",
    isEmpty: (history) => !(highest(history, "in") > 0) && !(highest(history, "out") > 0),
  },
  {
    id: "fanout", title: "Fan-out", format: times, hint: "deliveries for each publish",
    values: [
      { name: "fanout", label: "each", colour: "out", fill: true },
      { name: "published", label: "publishes", format: perSecond },
    ],
    empty: "Nobody has published in these minutes.",
    isEmpty: (history) => !(highest(history, "fanout") >= 0),
  },
  {
    id: "latency", title: "Round trip", format: milliseconds, isLog: true, hint: `pings of the ${ROUND_TRIP_WINDOW} s before`,
    values: [
      { name: "p50", label: "p50", colour: "in" },
      { name: "p99", label: "p99", colour: "out" },
      { name: "trips", label: "pings", format: count },
    ],
    empty: "No pings in this window. Only who is silent is pinged, and busy clients never are.",
    isEmpty: (history) => !(highest(history, "p99") >= 0),
  },
  {
    id: "traffic", title: "On the wire", format: bytesPerSecond, isBytes: true,
    values: [
      { name: "bytesIn", label: "in", colour: "in", fill: true },
      { name: "bytesOut", label: "out", colour: "out" },
    ],
    empty: "No byte has moved in these minutes.",
    isEmpty: (history) => !(highest(history, "bytesIn") > 0) && !(highest(history, "bytesOut") > 0),
  },
  {
    id: "compression", title: "Compression", format: percent, max: 100, hint: "after deflate, of before",
    values: [{ name: "ratio", label: "of the bytes", colour: "violet", fill: true }],
    empty: "Nothing was deflated in these minutes.",
    emptyIf: (hello) =>
      hello?.settings?.compressionEnabled === false
        ? "Compression is switched off."
        : `Nothing was deflated in these minutes: messages are from ${bytes(hello?.settings?.compressionThreshold ?? 1024)} on.`,
    isEmpty: (history) => !(highest(history, "ratio") >= 0),
  },
  {
    id: "ends", title: "Closes", format: count, bars: "end:", hint: "by reason, in bars of 5 s",
    empty: "No connection has ended in these minutes.",
    isEmpty: (history) => history.names("end:").every((name) => !(highest(history, name) > 0)),
  },
  {
    id: "refusals", title: "Refusals", format: count, bars: "refused:", hint: "by cause, in bars of 5 s",
    empty: "Nobody was refused in these minutes.",
    isEmpty: (history) => history.names("refused:").every((name) => !(highest(history, name) > 0)),
  },
  {
    id: "errors", title: "Errors told", format: count, bars: "error:", hint: "by code, in bars of 5 s",
    empty: "No client was told of an error in these minutes.",
    isEmpty: (history) => history.names("error:").every((name) => !(highest(history, name) > 0)),
  },
  {
    id: "memory", title: "Memory", format: bytes, isBytes: true, hint: "resident",
    values: [{ name: "memory", label: "of the process", colour: "violet", fill: true }],
    empty: "This system does not say what the process takes.",
    isEmpty: (history) => !(highest(history, "memory") > 0),
  },
  {
    id: "cpu", title: "CPU", format: percent, least: 10, hint: "100 % is one core",
    values: [{ name: "cpu", label: "of one core", colour: "violet", fill: true }],
    empty: "This system does not say what the process takes.",
    isEmpty: (history) => !(highest(history, "cpu") >= 0),
  },
  {
    id: "broker", title: "Broker", format: perSecond, band: "up", hint: "what is handed to the engine",
    values: [
      { name: "publishes", label: "published", colour: "out", fill: true },
      { name: "appends", label: "kept", colour: "in" },
      { name: "brokerErrors", label: "failed", colour: "bad" },
      { name: "pending", label: "pending", format: count },
    ],
    empty: "Nothing was handed to the engine in these minutes.",
    isEmpty: (history) => ["publishes", "appends", "brokerErrors"].every((name) => !(highest(history, name) > 0)),
  },
];

/** The most that a series told, or NaN where it told nothing. */
export function highest(history, name) {
  let highest = NaN;
  for (let index = 0; index < history.length; index += 1) {
    const value = history.value(name, index);
    if (value >= 0 && !(value <= highest)) highest = value;
  }
  return highest;
}

/** The least, likewise. */
export function lowest(history, name) {
  let lowest = NaN;
  for (let index = 0; index < history.length; index += 1) {
    const value = history.value(name, index);
    if (value >= 0 && !(value >= lowest)) lowest = value;
  }
  return lowest;
}
