// What can be done in the page: saying and hearing, finding and closing, copying.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertQuiet, client, open, sleep, tokensOf, until, wire } from "./browser.mjs";

const areIn = (page) =>
  until(page, "both panes are in", "document.querySelectorAll('.pane .chip').length", (chips) => chips === 2);

/** The frames of a pane, as they are shown. */
const framesOf = (page, pane) =>
  page.locator(".pane").nth(pane).locator(".frame:not(.note)").evaluateAll((rows) =>
    rows.map((row) => ({
      isSent: row.classList.contains("sent"),
      type: row.querySelector(".type").textContent,
      size: row.querySelector(".size").title,
    })),
  );

const sum = (frames, isSent) =>
  frames.filter((frame) => frame.isSent === isSent).reduce((all, { size }) => all + Number(size.match(/\d+/)[0]), 0);

async function hello(browser, console_) {
  const { hash, origin } = new URL(console_);
  const between = await wire(origin);
  const page = await open(browser, `http://${between.host}/${hash}`);
  await page.click("#tour");
  await areIn(page);
  await until(page, "both have heard both", "document.querySelectorAll('.frame.received .type').length", (frames) => frames >= 10);
  return { page, between };
}

export async function two_panes_hear_each_other_and_weigh_each_frame({ browser, console: console_ }) {
  const { page, between } = await hello(browser, console_);
  const [first, second] = await page.locator(".pane").all();
  assert.match(await first.locator(".status").innerText(), /Connected as dev-user/);
  assert.match(await second.locator(".status").innerText(), /Connected as bob/);

  // Lengths in the second byte, in two more, and in eight more, and where one becomes the other.
  await first.locator("summary").click();
  for (const length of [125, 126, 65_535, 65_536]) {
    const empty = '{"type":"request","requestId":1,"payload":""}';
    await first.locator("details textarea").fill(empty.replace('""', `"${"x".repeat(length - empty.length)}"`));
    await first.locator("details button").click();
  }
  await first.locator("textarea").first().fill(JSON.stringify("x".repeat(300)));
  await first.locator("text=Publish in this channel").click();
  await until(page, "the other one hears it", "document.querySelectorAll('.pane')[1].querySelectorAll('.frame.received').length", (count) => count === 6);
  await until(page, "all is answered", "document.querySelectorAll('.pane')[0].querySelectorAll('.frame.received').length", (count) => count === 11);
  const frames = [await framesOf(page, 0), await framesOf(page, 1)];
  for (const { size } of frames.flat()) assert.match(size, /^\d+ bytes$/, "nothing is deflated, and so all is exact");

  // The wire itself is the judge.
  const counted = between.of("/ws");
  assert.equal(counted.length, 2);
  for (const pane of [0, 1]) {
    assert.equal(sum(frames[pane], true), counted[pane].sent, `pane ${pane} sends`);
    assert.equal(sum(frames[pane], false), counted[pane].received, `pane ${pane} receives`);
  }
  assert.ok(counted[0].sent > 2 * 65_535);

  // What is no JSON is not published.
  await first.locator("textarea").first().fill("{broken");
  await first.locator("text=Publish in this channel").click();
  assert.match(await first.locator(".fault").innerText(), /No JSON/);
  assert.equal(await first.locator("textarea").first().getAttribute("aria-invalid"), "true");
  assert.equal((await framesOf(page, 0)).length, frames[0].length);

  // Any text may be sent as it is.
  await first.locator("details textarea").fill("{broken");
  await first.locator("details button").click();
  await first.locator(".frame.failed .type", { hasText: "error bad_json" }).waitFor();

  // Leaving a channel, filtering, clearing.
  await first.locator(".chip button").click();
  await first.locator("text=In no channel.").waitFor();
  await first.locator("input[type=search]").fill("greeting");
  const shown = await first.locator(".frame:visible").count();
  assert.ok(shown > 0 && shown < frames[0].length);
  await first.locator("text=Pretty").click();
  assert.match(await first.locator(".frame:visible .text").first().innerText(), /\n {2}"type"/);
  await first.locator("text=Clear").click();
  assert.equal(await first.locator(".frame").count(), 0);
  await first.locator("text=Disconnect").click();
  assert.match(await first.locator(".status").innerText(), /Not connected/);

  // Another name is somebody else, and no name is nobody.
  const [user] = await first.locator("form input").all();
  for (const [name, told] of [["carol", /Connected as carol/], ["", /Connected; not authenticated/]]) {
    await user.fill(name);
    await first.locator("header button").click();
    await first.locator(".status", { hasText: told }).waitFor();
    await first.locator("header button").click();
  }
  between.close();
}

export async function what_is_deflated_is_told_as_about_so_much({ browser, console: console_ }) {
  const { page, between } = await hello(browser, console_);
  const [first] = await page.locator(".pane").all();
  const words = Array.from({ length: 2_000 }, (_, index) => `word${(index * 7919) % 613}`).join(" ");
  await first.locator("textarea").first().fill(JSON.stringify(words));
  await first.locator("text=Publish in this channel").click();
  await until(page, "it is weighed", "[...document.querySelectorAll('.frame .size')].filter((size) => size.textContent.includes('≈')).length", (sizes) => sizes >= 3);
  await sleep(500);
  assert.match(await first.locator(".sums").innerText(), /≈/);
  const frames = [await framesOf(page, 0), await framesOf(page, 1)];
  const counted = between.of("/ws");
  for (const [pane, isSent] of [[0, true], [0, false], [1, false]]) {
    const [shown, real] = [sum(frames[pane], isSent), isSent ? counted[pane].sent : counted[pane].received];
    assert.ok(Math.abs(shown - real) <= 0.08 * real, `pane ${pane} ${isSent ? "sent" : "received"}: ${shown} are shown, ${real} travelled`);
    assert.ok(real < words.length, "it was deflated");
  }
  between.close();
}

export async function a_connection_is_found_and_closed({ browser, console: console_ }) {
  const { host } = new URL(console_);
  const names = Array.from({ length: 30 }, (_, index) => `device-${index}`);
  const tokens = await tokensOf([...names, "carol", "carol", "carol"], console_);
  const connected = await Promise.all(tokens.map((token) => client(`ws://${host}/ws?token=${token}`)));
  const [devices, phones] = [connected.slice(0, 30), connected.slice(30)];
  phones[0].say({ type: "subscribe", channel: "orders" });

  const page = await open(browser, console_);
  await page.locator("#people").scrollIntoViewIfNeeded();
  await until(page, "33 are open", "document.getElementById('connections-total').textContent", (text) => text === "33 open");
  const rows = page.locator("#connections tbody tr");
  assert.equal(await rows.count(), 25);
  await page.locator("#connections .paging button", { hasText: "Next" }).click();
  await until(page, "the second page", "document.querySelectorAll('#connections tbody tr').length", (count) => count === 8);
  assert.match(await page.innerText("#connections .paging"), /26 to 33 of 33/);
  await page.locator("#connections .paging button", { hasText: "Previous" }).click();
  await until(page, "the first page", "document.querySelectorAll('#connections tbody tr').length", (count) => count === 25);

  // Searched by the gateway.
  await page.fill("#connections input", "DEVICE-17");
  await until(page, "one is found", "document.querySelector('#connections tbody').textContent", (text) => text.startsWith("device-17") && !text.includes("device-16"));
  await page.locator("#connections tbody button", { hasText: "Close" }).click();
  assert.match(await page.innerText("#confirm"), /Close a connection of device-17\?/);
  assert.equal(await page.evaluate("document.activeElement.id"), "confirm-no", "the harmless answer is at hand");
  await page.keyboard.press("Escape");
  await sleep(200);
  assert.equal(devices[17].readyState, 1, "whoever says nothing closes nothing");
  await page.locator("#connections tbody button", { hasText: "Close" }).click();
  await page.selectOption("#confirm-code", "4000");
  await page.fill("#confirm-reason", "Moved elsewhere");
  await page.click("#confirm-yes");
  assert.deepEqual(await devices[17].ended, { code: 4000, reason: "Moved elsewhere" });
  await until(page, "it has gone", "document.querySelector('#connections .none').textContent", (text) => text === "Nothing of that name.");

  // Who is gone is asked for by name.
  await page.fill("#connections input", "device-17");
  await page.locator("button", { hasText: "How did it end?" }).click();
  const end = page.locator(".ends tbody tr");
  await end.waitFor();
  assert.match(await end.innerText(), /ago[\s\S]*api[\s\S]*4000[\s\S]*127\.0\.0\.1/);
  await page.locator("button", { hasText: "Show everybody" }).click();
  await until(page, "the ends are gone", "document.querySelectorAll('.ends tr').length", (count) => count === 0);

  // All of one user.
  await page.fill("#connections input", "carol");
  await until(page, "three are found", "document.querySelectorAll('#connections tbody tr').length", (count) => count === 3);
  for (const more of await page.locator("#connections tbody button", { hasText: "Details" }).all()) await more.click();
  await page.locator("tr.details .chip", { hasText: "orders" }).waitFor();
  await page.locator("#connections tbody .link").first().click();
  await page.locator("#connections .search .chip", { hasText: "only carol" }).waitFor();
  await page.locator("button", { hasText: "Disconnect user" }).click();
  await page.click("#confirm-yes");
  for (const phone of phones) assert.equal((await phone.ended).code, 1000);
  await until(page, "it is said", "document.querySelector('#connections .said').textContent", (text) => text === "3 connections are being closed");

  // Channels, and from there to the playground.
  devices[0].say({ type: "subscribe", channel: "trades:BTCUSDT" });
  // A table asks while somebody can see it.
  await page.locator("#channels").scrollIntoViewIfNeeded();
  await page.locator("#channels tbody .mono", { hasText: "trades:BTCUSDT" }).waitFor();
  await page.locator("#channels tbody button", { hasText: "Use in playground" }).click();
  assert.equal(await page.locator(".pane input[required]").first().inputValue(), "trades:BTCUSDT");
  assertQuiet(page, console_);
}

export async function what_others_write_is_text_and_no_markup({ browser, console: console_ }) {
  const { host } = new URL(console_);
  const markup = `<img src=x onerror="globalThis.injected=1"><script>injected=1</script>`;
  const [token] = await tokensOf([markup], console_);
  const somebody = await client(`ws://${host}/ws?token=${token}`);
  somebody.say({ type: "subscribe", channel: "&lt;b&gt;'';!--#{}" });
  somebody.say({ type: "subscribe", channel: "a'b&lt;img&gt;" });
  const page = await open(browser, console_);
  await page.click("#tour");
  await areIn(page);
  somebody.say({ type: "publish", channel: "news", event: markup, data: { [markup]: markup } });
  await until(page, "both panes show it", "[...document.querySelectorAll('.frame .text')].filter((it) => it.textContent.includes('onerror')).length", (count) => count === 2);
  await page.locator(".pane").first().locator("text=Pretty").click();
  await page.locator("#people").scrollIntoViewIfNeeded();
  await until(page, "the user is listed", "document.querySelector('#connections tbody').textContent", (text) => text.includes("<img src=x"));
  await page.locator("#connections tbody .link", { hasText: "<img" }).click();
  await page.locator("#connections .search .chip", { hasText: "<img" }).waitFor();
  await until(page, "it alone is listed", "document.querySelectorAll('#connections tbody tr').length", (count) => count === 1);
  await page.locator("#connections tbody button", { hasText: "Details" }).click();
  await page.locator("tr.details dl").waitFor();
  await page.locator("#connections tbody button", { hasText: "Close" }).click();
  assert.ok((await page.innerText("#confirm-title")).includes(markup));
  assert.equal(await page.evaluate("document.images.length"), 0);
  assert.equal(await page.evaluate("document.scripts.length"), 1);
  assert.equal(await page.evaluate("typeof injected"), "undefined");
  assertQuiet(page, console_);
}

export async function a_thousand_reconnects_leave_nothing_behind({ browser, console: console_ }) {
  const page = await open(browser, console_);
  const tools = await page.context().newCDPSession(page);
  const reconnect = (times) =>
    page.evaluate(async (times) => {
      const pane = document.querySelector(".pane");
      const [button, status] = [pane.querySelector("header button"), pane.querySelector(".status")];
      for (let time = 0; time < times; time += 1) {
        button.click();
        while (status.dataset.state !== "live" || !status.textContent.includes("dev-user")) await new Promise((resolve) => setTimeout(resolve, 1));
        button.click();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }, times);
  const held = async () => {
    await sleep(500);
    for (let time = 0; time < 3; time += 1) await tools.send("HeapProfiler.collectGarbage");
    const { nodes, jsEventListeners } = await tools.send("Memory.getDOMCounters");
    const { usedSize } = await tools.send("Runtime.getHeapUsage");
    return { nodes, jsEventListeners, usedSize };
  };
  // Until the list of frames is as full as it gets.
  await reconnect(180);
  const before = await held();
  await reconnect(1_000);
  const after = await held();
  const grown = JSON.stringify({ before, after });
  assert.ok(after.nodes <= before.nodes * 1.05, grown);
  assert.ok(after.jsEventListeners <= before.jsEventListeners + 10, grown);
  assert.ok(after.usedSize <= before.usedSize + 1024 * 1024, grown);
  assert.equal(await page.locator(".pane").first().locator(".frame").count(), 500);
  await until(page, "the gateway has let go of all", "document.querySelector('[data-value=connections]').textContent", (text) => text === "0");
  assertQuiet(page, console_);
}

export async function the_snippets_run_as_they_are_copied({ browser, console: console_ }) {
  const { origin } = new URL(console_);
  const page = await open(browser, console_);
  // What is copied is the whole, also while a part of it is hidden.
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.locator("#code button", { hasText: "Copy" }).click();
  await until(page, "it says so", "document.getElementById('announcements').textContent", (text) => text === "Copied");
  const copied = await page.evaluate("navigator.clipboard.readText()");
  assert.ok(!copied.includes("•"));
  await page.click("text=Show token");
  assert.equal((await page.innerText("#snippet")).trim(), copied.trim());
  const snippet = async (name) => {
    await page.click(`#tab-${name}`);
    return page.locator("#snippet").innerText();
  };

  // In the console of the developer tools.
  const heard = new Promise((resolve) => page.on("console", (message) => message.type() === "log" && resolve(message.text())));
  const tools = await page.context().newCDPSession(page);
  const ran = await tools.send("Runtime.evaluate", { expression: await snippet("browser"), replMode: true, awaitPromise: true });
  assert.equal(ran.exceptionDetails, undefined);
  assert.match(await heard, /dev-user.*from a browser|dev-user/);

  // As a program.
  const folder = await mkdtemp(join(tmpdir(), "ws-gateway-console-"));
  try {
    await writeFile(join(folder, "client.mjs"), await (await fetch(`${origin}/client.js`)).text());
    await writeFile(join(folder, "news.mjs"), await snippet("node"));
    // Before version 22 the class has to be asked for.
    const early = Number(process.versions.node.split(".")[0]) < 22 ? ["--experimental-websocket"] : [];
    assert.match(await firstLine(process.execPath, [...early, "news.mjs"], folder), /dev-user \{ hello: 'from Node' \}/);
    const shell = await snippet("curl");
    await writeFile(join(folder, "try.sh"), shell);
    const told = await output("sh", ["try.sh"], folder);
    assert.match(told, /101 Switching Protocols[\s\S]*"type":"connected"[\s\S]*"userId":"dev-user"[\s\S]*"status":"ok"[\s\S]*ready/);
  } finally {
    await rm(folder, { recursive: true });
  }
  const rust = await snippet("rust");
  assert.ok(rust.includes(`Client::builder("ws://${new URL(origin).host}/ws")`));
  assert.deepEqual(page.faults, []);
}

async function firstLine(program, parameters, folder) {
  const child = spawn(program, parameters, { cwd: folder });
  let [said, faults] = ["", ""];
  child.stderr.on("data", (text) => (faults += text));
  const line = await new Promise((resolve) => {
    child.stdout.on("data", (text) => (said += text).includes("\n") && resolve(said));
    child.on("close", () => resolve(`${said}${faults}`));
  });
  child.kill();
  return line;
}

async function output(program, parameters, folder) {
  const child = spawn(program, parameters, { cwd: folder });
  let said = "";
  child.stdout.on("data", (text) => (said += text.toString("latin1")));
  await new Promise((resolve) => child.on("close", resolve));
  return said;
}

/** The second click comes while a token is being made. */
export async function two_clicks_make_one_connection({ browser, console: console_ }) {
  const page = await open(browser, console_);
  await page.evaluate(() => {
    const button = document.querySelectorAll(".pane")[1].querySelector("header button");
    button.click();
    button.click();
  });
  await until(page, "it is connected", "document.querySelectorAll('.pane')[1].querySelector('.status').dataset.state", (state) => state === "live");
  // Whatever else was begun has arrived by the second sample after.
  await sleep(2_500);
  assert.equal(await page.innerText('[data-value="connections"]'), "1");
}
