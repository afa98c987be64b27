// What the page tells: figures that follow, texts that can be read, on any screen and with a keyboard alone.

import assert from "node:assert/strict";
import { assertQuiet, client, open, reading, until } from "./browser.mjs";

export async function the_figures_follow_the_traffic({ browser, address, console: console_ }) {
  const page = await open(browser, console_);
  await until(page, "nobody is connected", reading("connections"), (text) => text === "0");
  const clients = await Promise.all(Array.from({ length: 4 }, () => client(address)));
  await until(page, "four are connected", reading("connections"), (text) => text === "4");
  assert.equal(await page.innerText('[data-value="users"]'), "1");

  // Each publish reaches four, at some 25 a second, of which half is long enough for deflate; beside each something
  // is said that is no publish.
  for (const one of clients) one.say({ type: "subscribe", channel: "orders" });
  let published = 0;
  const publishing = setInterval(() => {
    clients[0].say({ type: "publish", channel: "orders", data: published % 2 ? "short" : "long ".repeat(500) });
    clients[1].say({ type: "heartbeat" });
    published += 1;
  }, 40);
  const number = (text) => Number(text.replaceAll(",", "").match(/[\d.]+/)?.[0]);
  await until(page, "each publish reaches four", reading("fanout"), (text) => text === "× 4");
  const rate = number(await until(page, "messages come in", reading("in"), (text) => number(text) > 20));
  assert.ok(rate <= 65, `${rate} a second come in`);
  await until(page, "what goes out is told", reading("out"), (text) => number(text) > 40 && number(text) <= 130);
  await until(page, "half of it is a publish", reading("published"), (text) => number(text) > 10 && number(text) <= 33);
  await until(page, "what is long is deflated", reading("ratio"), (text) => number(text) > 0 && number(text) < 20);
  await until(page, "bytes move", reading("bytesIn"), (text) => text.includes("KiB/s"));
  await until(page, "the engine is handed them", reading("publishes"), (text) => number(text) >= 0);
  clearInterval(publishing);

  // What a limit drops, what is no message, and how connections end.
  clients[1].say({ type: "nonsense" });
  await until(page, "an error was told", reading("errors"), (text) => text === "1");
  assert.match(await page.innerText("[data-figure=errors] .legend"), /1 unknown type/);
  for (const one of clients) one.close(1000);
  await until(page, "all have gone", reading("connections"), (text) => text === "0");
  await until(page, "four ends are told", reading("ends"), (text) => text === "4");
  assert.match(await page.innerText("[data-figure=ends] .legend"), /4 peer closed/);

  // Pointing at a plot tells what was then, and so does the keyboard.
  const canvas = page.locator("[data-figure=connections] canvas");
  await canvas.focus();
  let least = Infinity;
  for (let step = 0; step < 60 && least !== 4; step += 1) {
    await page.keyboard.press("ArrowLeft");
    least = number(await page.innerText('[data-value="connections"]'));
  }
  assert.equal(least, 4, "an earlier moment had four connections");
  assert.match(await page.innerText("#when"), /\d+ s ago/);
  assert.match(await page.textContent("#announcements"), /ago: open 4, users 1/);
  await page.keyboard.press("Escape");
  assert.equal(await page.innerText("#when"), "the last 5 minutes");
  assertQuiet(page, console_);
}

/** All that can be reached with Tab, in order. */
export async function the_keyboard_reaches_everything({ browser, console: console_ }) {
  const page = await open(browser, console_);
  await page.click("#tour");
  await until(page, "both panes are in", "document.querySelectorAll('.pane .status[data-state=live]').length", (panes) => panes === 2);
  // Rows are drawn where one looks.
  await page.locator("#people").scrollIntoViewIfNeeded();
  await page.waitForSelector("#channels tbody tr");
  const expected = await page.evaluate(() => {
    const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']";
    const isThere = (it) => it.checkVisibility() && !it.disabled && it.tabIndex >= 0 && !it.closest("dialog:not([open])");
    const all = [...document.querySelectorAll(controls)].filter(isThere);
    all.forEach((it, index) => (it.dataset.expected = index));
    return all.length;
  });
  assert.ok(expected > 50, `${expected} controls`);
  const reached = [];
  // To and fro: what a script has put the focus on is not shown as what a person has.
  await page.locator(".skip").focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Shift+Tab");
  for (let step = 0; step < expected; step += 1) {
    if (step > 0) await page.keyboard.press("Tab");
    reached.push(
      await page.evaluate(() => {
        const it = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(it);
        const label = it.getAttribute("aria-label") ?? it.labels?.[0]?.textContent ?? it.textContent;
        return { expected: it.dataset.expected, tag: it.outerHTML.slice(0, 120), isSeen: outlineStyle !== "none" && outlineWidth !== "0px", label: label.trim() };
      }),
    );
  }
  for (const { tag, isSeen, label } of reached) {
    assert.ok(isSeen, `the focus is seen at ${tag}`);
    assert.notEqual(label, "", `a name is told of ${tag}`);
  }
  const missed = Array.from({ length: expected }, (_, index) => String(index)).filter((index) => !reached.some((it) => it.expected === index));
  const tags = await page.evaluate((indexes) => indexes.map((index) => document.querySelector(`[data-expected="${index}"]`)?.outerHTML.slice(0, 120)), missed);
  assert.deepEqual(tags, [], "all are reached");
  // In the order in which they are read.
  const order = reached.map((it) => Number(it.expected));
  assert.deepEqual(order, [...order].sort((a, b) => a - b));
}

export async function each_text_stands_out_from_what_is_behind_it({ browser, console: console_ }) {
  for (const scheme of ["light", "dark"]) {
    const page = await open(browser, console_, { scheme });
    await page.click("#tour");
    await until(page, "both panes are in", "document.querySelectorAll('.pane .status[data-state=live]').length", (panes) => panes === 2);
    await page.locator("#people").scrollIntoViewIfNeeded();
    await page.waitForSelector("#connections tbody tr");
    const { texts, marks } = await page.evaluate(measureContrast);
    assert.ok(texts.length > 150, `${texts.length} texts were measured`);
    const faint = texts.filter(({ ratio }) => ratio < 4.5);
    assert.deepEqual(faint, [], `${scheme}: WCAG 2.2, 1.4.3`);
    assert.ok(marks.length >= 12);
    assert.deepEqual(marks.filter(({ ratio }) => ratio < 3), [], `${scheme}: WCAG 2.2, 1.4.11`);

    // The switch says the same as the system would.
    const paper = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const asSystem = await paper();
    await page.click("#theme");
    if (scheme === "light") await page.click("#theme");
    assert.notEqual(await paper(), asSystem, "the switch goes to the other scheme");
    await page.evaluate("localStorage.clear()");
    await page.close();
  }
}

/** In the page: the contrast of each text with what is behind it, and of what plots are drawn in with their card. */
function measureContrast() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1, 1];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  // As the screen shows it: the browser itself lays the colours over each other.
  const over = (...colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (colour) => {
    const [red, green, blue] = colour.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return Math.round(((bright + 0.05) / (dark + 0.05)) * 100) / 100;
  };
  const behind = (element) => {
    const layers = [];
    for (let it = element; it; it = it.parentElement) layers.unshift(getComputedStyle(it).backgroundColor);
    return layers;
  };
  const faded = (element) => {
    let opacity = 1;
    for (let it = element; it; it = it.parentElement) opacity *= Number(getComputedStyle(it).opacity);
    return opacity;
  };
  const texts = [...document.querySelectorAll("body *")]
    .filter((it) => it.checkVisibility() && !it.matches(":disabled, .unseen, script, noscript, option"))
    .filter((it) => it.matches("input, textarea") || [...it.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
    .map((it) => {
      const layers = behind(it);
      if (faded(it) < 1) throw new Error(`a text is faded: ${it.outerHTML.slice(0, 100)}`);
      return { text: it.outerHTML.slice(0, 100), ratio: ratio(over(...layers, getComputedStyle(it).color), over(...layers)) };
    });
  const style = getComputedStyle(document.documentElement);
  const probe = document.body.appendChild(document.createElement("i"));
  const resolved = (name) => ((probe.style.color = `var(--${name})`), over(getComputedStyle(probe).color));
  const names = ["in", "out", "violet", "good", "bad", "warn", "accent", "edge", ...Array.from({ length: 8 }, (_, index) => `stack-${index + 1}`)];
  const marks = names.flatMap((name) => ["card", "paper"].map((under) => ({ name, under, ratio: ratio(resolved(name), resolved(under)) })));
  probe.remove();
  if (!style) throw new Error("no style");
  return { texts, marks };
}

export async function a_phone_shows_all_of_it({ browser, console: console_ }) {
  const page = await open(browser, console_, { width: 360, height: 780, motion: "reduce" });
  await page.click("#tour");
  await until(page, "both panes are in", "document.querySelectorAll('.pane .status[data-state=live]').length", (panes) => panes === 2);
  await page.locator("#people").scrollIntoViewIfNeeded();
  await page.waitForSelector("#connections tbody tr");
  await page.locator("#connections tbody button", { hasText: "Details" }).first().click();
  await page.waitForSelector("tr.details dl");
  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const scrolls = (it) => it.closest("pre, .frames, thead, .unseen, .skip");
    const all = [...document.querySelectorAll("body *")].filter((it) => it.checkVisibility() && !scrolls(it));
    return [document.documentElement.scrollWidth, ...all.filter((it) => it.getBoundingClientRect().right > width + 0.5).map((it) => it.outerHTML.slice(0, 80))];
  });
  assert.deepEqual(wide, [360], "nothing sticks out");
  // WCAG 2.2, 2.5.8: at least 24 pixels for a finger.
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, select, textarea, nav a")]
      .filter((it) => it.checkVisibility() && !it.matches(".link"))
      .map((it) => [it.outerHTML.slice(0, 80), it.getBoundingClientRect()])
      .filter(([, { width, height }]) => Math.min(width, height) < 24)
      .map(([tag]) => tag),
  );
  assert.deepEqual(small, []);
  assert.equal(await page.evaluate("getComputedStyle(document.documentElement).scrollBehavior"), "auto");
  assertQuiet(page, console_);
}

/** The arithmetic of the page, in the page. */
export async function rates_and_quantiles_are_right_and_memory_is_bounded({ browser, console: console_ }) {
  const page = await open(browser, console_);
  const told = await page.evaluate(async () => {
    const { History, Rates, quantile } = await import("/console/history.js");
    const history = new History();
    for (let second = 0; second < 20_000; second += 1) {
      history.push(second * 1000, { always: second, [`one of many ${second % 1_000}`]: 1 });
    }
    const rates = new Rates();
    const sample = (at, fields) => ({ at, uptimeMs: at, gauges: {}, counters: { published: 0, messages_delivered: 0, ...fields }, ends: {}, errors: {}, rejections: {} });
    const rows = [
      sample(1_000, { published: 10, messages_delivered: 100 }),
      sample(3_000, { published: 30, messages_delivered: 900 }),
      sample(4_000, { published: 30, messages_delivered: 900 }),
      // The time of day is set, to and fro.
      { ...sample(99_000, { published: 40, messages_delivered: 920 }), uptimeMs: 5_000 },
      { ...sample(6_000, { published: 50, messages_delivered: 940 }), uptimeMs: 6_000 },
      // Another run, which has counted less so far.
      { ...sample(7_000, { published: 1, messages_delivered: 1 }), uptimeMs: 10 },
    ].map((each) => rates.next(each));
    const set = new History();
    for (const at of [98_000, 99_000, 98_500, 50_000]) set.push(at, { always: 1 });
    const buckets = [[0.001, 0], [0.002, 50], [0.01, 90], [null, 100]];
    return {
      length: history.length,
      names: history.names("").length,
      first: history.value("always", 0),
      last: history.value("always", history.length - 1),
      rates: rows.map(({ published, fanout }) => [published ?? null, Number.isNaN(fanout) ? "none" : (fanout ?? null)]),
      quantiles: [0.25, 0.5, 0.7, 0.95].map((share) => quantile(buckets, share)),
      set: [set.length, set.at(0)],
      nothing: String(quantile([[0.001, 0], [null, 0]], 0.5)),
    };
  });
  assert.deepEqual([told.length, told.first, told.last], [330, 19_670, 19_999], "the ring keeps the last ones");
  assert.equal(told.names, 160, "more names than these are not remembered");
  assert.deepEqual(told.rates, [[null, null], [10, 40], [0, "none"], [10, 2], [10, 2], [null, null]]);
  assert.deepEqual(told.set, [1, 50_000], "after the clock was set back nothing of the other time is drawn");
  told.quantiles.forEach((value, index) => assert.ok(Math.abs(value - [0.0015, 0.002, 0.006, 0.01][index]) < 1e-9, `${value}`));
  assert.equal(told.nothing, "NaN");
}

/** Of what is long only the beginning is kept, and a flood is not weighed all at once. */
export async function long_frames_are_not_kept_whole({ browser, console: console_ }) {
  const page = await open(browser, console_);
  const tools = await page.context().newCDPSession(page);
  const flood = await page.evaluate(async () => {
    const { Frames, sizeOnWire } = await import("/console/frames.js");
    const long = (index) => new TextDecoder().decode(new Uint8Array(1 << 20).fill(97 + (index % 26)));
    window.kept = new Frames("of a test");
    for (let index = 0; index < 300; index += 1) {
      const text = `{"type":"${index % 2 ? long(index) : "message"}","data":"${long(index)}"}`;
      window.kept.add(text, false, { size: text.length, isClose: false });
      // As messages come: each in a task of its own.
      await new Promise((resolve) => setTimeout(resolve));
    }
    const seen = { isSent: false, extensions: "permessage-deflate", threshold: 1024 };
    return Promise.all(Array.from({ length: 20 }, (_, index) => sizeOnWire(long(index), seen)));
  });
  for (let time = 0; time < 3; time += 1) await tools.send("HeapProfiler.collectGarbage");
  const { usedSize } = await tools.send("Runtime.getHeapUsage");
  assert.ok(usedSize < 64 * 1024 * 1024, `${usedSize} bytes are held for 300 frames of a MiB or two`);
  const bounded = flood.filter(({ isAtMost }) => isAtMost);
  assert.deepEqual([flood.length, bounded.length], [20, 16]);
  assert.ok(bounded.every(({ size }) => size === (1 << 20) + 10), "what is not weighed is told as it would travel undeflated");
  assert.ok(flood.every(({ isClose, isAtMost, size }) => isClose && (isAtMost || size < 10_000)));
}

export async function a_slow_gateway_is_not_asked_again_meanwhile({ browser, console: console_ }) {
  const page = await open(browser, console_);
  await page.evaluate(async () => {
    const { Connections } = await import("/console/tables.js");
    const told = { items: [{ id: "slow", userId: "slow", connectedAt: 0, healthy: true }], next: null, total: 1 };
    window.asked = 0;
    // Longer than a table waits until it asks anew.
    const ask = () => ((window.asked += 1), new Promise((resolve) => setTimeout(() => resolve(told), 4_000)));
    const root = document.createElement("div");
    document.querySelector("main").prepend(root);
    window.shown = () => root.querySelectorAll("tbody tr").length;
    new Connections(root, { isOpen: true, ask }, Date.now);
  });
  await until(page, "the answer is shown", "shown()", (rows) => rows === 1, 15_000);
  assert.equal(await page.evaluate("asked"), 1);
  await until(page, "it is asked again", "asked", (times) => times > 1);
}
