// A browser that looks at a console, and clients that do something for it to show.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";

const provisioned = createRequire(process.env.WS_TEST_NODE_MODULES + "/");
const { chromium } = provisioned("playwright-core");
const { WebSocket } = provisioned("ws");

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function launch() {
  return chromium.launch({
    executablePath: process.env.WS_TEST_CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Opens a page of the console. `faults` gathers what must not be: errors, violations, requests to others. */
export async function open(browser, address, { width = 1360, height = 900, scheme = "light", motion = null, isAwaited = true } = {}) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme, reducedMotion: motion });
  page.faults = [];
  page.asked = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("request", (request) => page.asked.push(request.url()));
  page.on("websocket", (socket) => page.asked.push(socket.url()));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`against the policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(address);
  if (isAwaited) await page.waitForSelector("#status[data-state=live]");
  return page;
}

/** Nothing went wrong, and nobody else was asked for anything. */
export function assertQuiet(page, address) {
  assert.deepEqual(page.faults, []);
  const host = new URL(address).host;
  const elsewhere = page.asked.filter((url) => !url.startsWith("data:") && new URL(url).host !== host);
  assert.deepEqual(elsewhere, []);
}

/** Waits until the page says so; what it says instead is in the error. */
export async function until(page, what, look, wanted, patience = 10_000) {
  const end = Date.now() + patience;
  let seen;
  while (Date.now() < end) {
    seen = await page.evaluate(look);
    if (wanted(seen)) return seen;
    await sleep(50);
  }
  throw new Error(`${what}: the page shows ${JSON.stringify(seen)}`);
}

/** What stands beside a plot. */
export const reading = (name) => `document.querySelector('[data-value="${name}"]').textContent`;

/** A client of the gateway, past `connected`. */
export async function client(address) {
  const socket = new WebSocket(address);
  socket.heard = [];
  socket.on("message", (data) => socket.heard.push(JSON.parse(data)));
  socket.ended = new Promise((resolve) => socket.on("close", (code, reason) => resolve({ code, reason: String(reason) })));
  socket.say = (message) => socket.send(JSON.stringify(message));
  await new Promise((resolve, reject) => (socket.once("message", resolve), socket.once("error", reject)));
  return socket;
}

/** A token of each, from the console's own connection. */
export async function tokensOf(users, console_) {
  const { host, hash } = new URL(console_);
  const key = /key=([^&]+)/.exec(hash)[1];
  const socket = new WebSocket(`ws://${host}/console/ws`, ["ws-gateway.console.v1", `bearer.${key}`]);
  const tokens = [];
  await new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("open", () => users.forEach((user, id) => socket.send(JSON.stringify({ type: "token", id, user }))));
    socket.on("message", (data) => {
      const { type, id, token } = JSON.parse(data);
      if (type !== "token") return;
      tokens[id] = token;
      if (tokens.filter(Boolean).length === users.length) resolve();
    });
  });
  socket.close();
  return tokens;
}

/** A way to the gateway that counts the bytes of each WebSocket behind its handshake, and that can be cut. */
export async function wire(gateway) {
  const { hostname, port } = new URL(gateway);
  const sockets = new Set();
  const counted = [];
  let isCut = false;
  const server = createServer((inner) => {
    if (isCut) return inner.destroy();
    const outer = connect(Number(port), hostname);
    const counts = { path: null, sent: 0, received: 0 };
    counted.push(counts);
    sockets.add(inner).add(outer);
    pass(inner, outer, (head) => (counts.path = head.split(" ")[1]), (bytes) => (counts.sent += bytes));
    pass(outer, inner, () => {}, (bytes) => (counts.received += bytes));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${server.address().port}`,
    /** What went over connections to a path. */
    of: (path) => counted.filter((counts) => counts.path === path),
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    mend: () => (isCut = false),
    close() {
      this.cut();
      server.close();
    },
  };
}

/** Hands on what comes; the head is told first, and then how much comes behind it. */
function pass(from, to, headOf, count) {
  let head = Buffer.alloc(0);
  let isBehind = false;
  from.on("data", (bytes) => {
    to.write(bytes);
    if (isBehind) return count(bytes.length);
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    isBehind = true;
    headOf(head.subarray(0, end).toString("latin1"));
    count(head.length - end - 4);
  });
  from.on("close", () => to.destroy());
  from.on("error", () => to.destroy());
}
