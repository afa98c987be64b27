// The console: takes the key, opens the connection, and hands what comes to the parts of the page.

import { askKey, stopAsking } from "./dialogs.js";
import { byId, bytes, count, duration, element, setText } from "./elements.js";
import { Figures } from "./figures.js";
import { Inspector } from "./inspector.js";
import { Link } from "./link.js";
import { Playground } from "./playground.js";
import { Snippets } from "./snippets.js";
import { Channels, Connections } from "./tables.js";

const KEY = "ws-gateway.console.key";
const TOKEN = "ws-gateway.console.token";
const THEME = "ws-gateway.console.theme";

/** What a browser keeps for a page, which it may refuse to. */
const kept = {
  get: (store, name) => {
    try {
      return store().getItem(name);
    } catch {
      return null;
    }
  },
  set: (store, name, value) => {
    try {
      if (value === null) store().removeItem(name);
      else store().setItem(name, value);
    } catch {
      // Then it is asked for again.
    }
  },
};
const session = () => sessionStorage;
const local = () => localStorage;

document.title = `${location.host}: ws-gateway console`;
setText(byId("host"), location.host);

const figures = new Figures(byId("cards"));
const snippets = new Snippets(byId("code"));

let hello = null;
let isDraining = false;
/** When the next attempt is, and why the last one failed, while there is no connection. */
let outage = null;
let key = "";

const link = new Link({
  hello: (told) => {
    hello = told;
    kept.set(session, KEY, key);
    figures.hello(told);
    playground.hello(told);
    snippets.websocketPath = told.websocketPath;
    tellFacts();
  },
  sample: (sample) => {
    figures.sample(sample);
    isDraining = Boolean(sample.gauges?.draining);
    tellStatus("live");
    setText(byId("uptime"), duration(sample.uptimeMs));
  },
  traced: (message) => inspector.traced(message),
  state: (state, detail) => {
    // The next figures have no predecessor whenever somebody was not looking.
    if (state === "waiting" || state === "refused") {
      figures.lost();
      inspector.lost();
    }
    outage = state === "waiting" ? detail : null;
    tellStatus(state);
    if (state === "refused") askAgain(detail);
  },
});
const playground = new Playground(byId("panes"), byId("tour"), link, (token) => (snippets.token = token));
const connections = new Connections(byId("connections"), link, () => figures.now);
const inspector = new Inspector(byId("inspected"), link);
const channels = new Channels(byId("channels"), link, (name) => {
  const [pane] = playground.panes;
  pane.use(name);
  byId("playground").scrollIntoView();
});

async function askAgain(fault) {
  kept.set(session, KEY, null);
  open(await askKey(fault));
}

function open(newKey) {
  key = newKey;
  link.open(newKey);
}

/** What the address says behind `#`, which is sent nowhere and does not stay in the bar. */
function takeFragment() {
  const parts = location.hash.slice(1).split("&");
  const named = (name) => decoded(parts.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1)) || undefined;
  const given = { key: named("key"), token: named("token") };
  if (given.key || given.token) history.replaceState(null, "", location.pathname);
  if (given.token) kept.set(session, TOKEN, given.token);
  return given;
}

function decoded(text = "") {
  try {
    return decodeURIComponent(text);
  } catch {
    // Somebody typed a percent sign, and meant it.
    return text;
  }
}

function tellFacts() {
  const { settings = {}, engine, node, version } = hello;
  const rate = settings.messageRateLimit;
  const facts = [
    ["version", version],
    ["node", node],
    ["engine", engine],
    ["up", element("span", { id: "uptime" }, duration(hello.now - hello.startedAt))],
    ["tokens", settings.authMode],
    ["messages up to", settings.maxFrameSize && bytes(settings.maxFrameSize)],
    ["deflated from", settings.compressionEnabled ? bytes(settings.compressionThreshold) : null],
    ["limit", rate ? `${count(rate)}/min` : null],
    ["mode", hello.dev ? "development" : null],
  ];
  const shown = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  byId("facts").replaceChildren(...shown.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function tellStatus(state) {
  const status = byId("status");
  const text = {
    connecting: "Connecting…",
    live: isDraining ? "Draining: it is on its way out" : "Live",
    refused: "Not let in",
    waiting: "No connection",
  }[state];
  status.dataset.state = state === "live" && isDraining ? "draining" : state;
  setText(status.lastElementChild, text);
  tellNotice(state);
}

function tellNotice(state) {
  const notice = byId("notice");
  if (state === "live" || state === "refused") notice.hidden = true;
  if (state !== "waiting") return;
  const seconds = Math.max(0, Math.ceil((outage.at - Date.now()) / 1000));
  const told = outage.why && `The gateway says: ${outage.why}${outage.why.endsWith(".") ? "" : "."}`;
  const what = told ?? (hello ? "The connection to the gateway is lost." : "The gateway cannot be reached.");
  notice.hidden = false;
  setText(notice.firstElementChild, `${what} ${seconds > 0 ? `Trying again in ${seconds} s` : "Trying again"}; what is seen here is as it was then.`);
}
setInterval(() => outage && tellNotice("waiting"), 1000);

const THEMES = [["", "◐ System"], ["light", "☀ Light"], ["dark", "☾ Dark"]];
function showTheme(theme) {
  const [value, name] = THEMES.find(([known]) => known === theme) ?? THEMES[0];
  if (value) document.documentElement.dataset.theme = value;
  else delete document.documentElement.dataset.theme;
  byId("theme").textContent = name;
  byId("theme").setAttribute("aria-label", `Colours: ${name.slice(2)}. Change`);
  figures.recolour();
}
byId("theme").onclick = () => {
  const index = THEMES.findIndex(([known]) => known === (document.documentElement.dataset.theme ?? ""));
  const [next] = THEMES[(index + 1) % THEMES.length];
  kept.set(local, THEME, next || null);
  showTheme(next);
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => figures.recolour());
showTheme(kept.get(local, THEME) ?? "");

async function start() {
  const given = takeFragment();
  const token = given.token ?? kept.get(session, TOKEN);
  if (token) playground.offer(token);
  open(given.key ?? kept.get(session, KEY) ?? (await askKey()));
}
addEventListener("hashchange", () => {
  const given = takeFragment();
  if (given.token) playground.offer(given.token);
  if (given.key) {
    stopAsking();
    open(given.key);
  }
});
start();
