// Who is let in, and what the page does when the gateway is away.

import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { assertQuiet, client, open, reading, sleep, until, wire } from "./browser.mjs";

export async function the_page_loads_and_asks_nobody_else({ browser, console: address }) {
  const page = await open(browser, address);
  await until(page, "samples come", reading("memory"), (text) => text.includes("MiB"));
  assertQuiet(page, address);
  const figures = await page.locator("[data-figure]").evaluateAll((cards) => cards.map((card) => card.dataset.figure));
  assert.deepEqual(figures, "connections messages fanout latency traffic compression ends refusals errors memory cpu broker".split(" "));

  // Key and token left the address, and went nowhere in one.
  const [key, token] = [/key=([^&]+)/.exec(address)[1], /token=(.+)/.exec(address)[1]];
  assert.equal(await page.evaluate("location.hash"), "");
  assert.deepEqual(page.asked.filter((url) => url.replace(/#.*/, "").includes(key) || url.replace(/#.*/, "").includes(token)), []);
  assert.ok(!(await page.innerText("#snippet")).includes(token), "the token is masked");
  await page.click("text=Show token");
  assert.ok((await page.innerText("#snippet")).includes(token), "the token is shown when it is asked for");

  // An empty plot says why it is empty.
  assert.match(await page.innerText("[data-figure=latency]"), /No pings in this window/);
  assert.match(await page.locator("[data-figure=memory] canvas").getAttribute("aria-label"), /Memory over the last 5 minutes: .*MiB now/);
  const broker = await page.innerText("[data-figure=broker] .hint");
  assert.equal(broker, "memory, up");

  // The key stays with the tab, and so the address needs none the second time.
  await page.goto(new URL("/", address).href);
  await page.waitForSelector("#status[data-state=live]");
  assertQuiet(page, address);
}

export async function a_wrong_key_is_asked_for_again({ browser, console: address }) {
  const { origin } = new URL(address);
  const page = await open(browser, `${origin}/#key=wrong-(key)`, { isAwaited: false });
  await until(page, "the key is asked for", "document.getElementById('ask-key').open", Boolean);
  assert.equal(await page.innerText("#key-fault"), "This is not the console's key");
  assert.equal(await page.evaluate("document.activeElement.id"), "key");
  // A browser may close a dialog at the second Escape, whatever its page wants.
  for (let time = 0; time < 3; time += 1) await page.keyboard.press("Escape");
  await until(page, "there is nothing to see without a key", "document.getElementById('ask-key').open && document.activeElement.id", (id) => id === "key");
  await page.keyboard.type(/key=([^&]+)/.exec(address)[1]);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#status[data-state=live]");
  assert.ok(!(await page.evaluate("document.getElementById('ask-key').open")));

  // One that no header could have as it was typed is a wrong one like any other.
  const typed = await open(browser, `${origin}/#key=${encodeURIComponent("ключ\u200b")}`, { isAwaited: false });
  await until(typed, "the key is asked for", "document.getElementById('ask-key').open", Boolean);
  assert.equal(await typed.innerText("#key-fault"), "This is not the console's key");

  // Somebody who has none at all is asked at once.
  const other = await open(browser, origin, { isAwaited: false });
  await until(other, "the key is asked for", "document.getElementById('ask-key').open", Boolean);
}

/** Somebody else's guesses do not take the key from who has it. */
export async function who_has_the_key_waits_for_the_end_of_guesses({ browser, console: address }) {
  const { origin } = new URL(address);
  const guess = () => fetch(`${origin}/console/ws`, { headers: { Authorization: "Bearer wrong" } });
  for (let time = 0; time < 10; time += 1) assert.equal((await guess()).status, 401);
  const page = await open(browser, address, { isAwaited: false });
  await page.waitForSelector("#status[data-state=waiting]");
  assert.match(await page.innerText("#notice"), /Too many wrong keys came from this address/);
  await page.waitForSelector("#status[data-state=live]", { timeout: 30_000 });
  assert.ok(!(await page.evaluate("document.getElementById('ask-key').open")));
}

/** The usual fault of a proxy is told as what it is. */
export async function a_proxy_that_passes_no_upgrade_on_is_named({ browser, console: address }) {
  const { hash, hostname, port } = new URL(address);
  const proxy = createServer(({ url, headers }, answer) => {
    request({ hostname, port, path: url, headers }, (told) => told.pipe(answer.writeHead(told.statusCode, told.headers))).end();
  });
  proxy.on("upgrade", (_, socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const page = await open(browser, `http://127.0.0.1:${proxy.address().port}/${hash}`, { isAwaited: false });
  await page.waitForSelector("#status[data-state=waiting]");
  assert.match(await page.innerText("#notice"), /The key is right, but no WebSocket came through: a proxy between/);
  proxy.close();
}

/** An address may be anybody's, and a copy is run in a shell. */
export async function a_token_of_an_address_is_no_part_of_a_program({ browser, console: address }) {
  const { origin } = new URL(address);
  const key = /key=([^&]+)/.exec(address)[1];
  for (const token of ["eyJ0eX$(touch${IFS}x)", "eyJ0eX`id`", 'eyJ0eX", alert(1), "', "eyJ0eX\\"]) {
    const page = await open(browser, `${origin}/#key=${key}&token=${encodeURIComponent(token)}`);
    for (const language of ["Browser", "Node", "Rust", "curl"]) {
      await page.click(`[role=tab]:text-is("${language}")`);
      const program = await page.textContent("#snippet");
      assert.match(program, /YOUR-TOKEN/, `${language} of ${token}`);
      assert.ok(!program.includes("eyJ0eX"), `${language} of ${token}`);
    }
    await page.close();
  }
}

export async function the_page_comes_back_with_the_gateway({ browser, address, console: console_ }) {
  const { hash, origin } = new URL(console_);
  const between = await wire(origin);
  const somebody = await client(address);
  const page = await open(browser, `http://${between.host}/${hash}`);
  await until(page, "one is connected", reading("connections"), (text) => text === "1");
  // Long enough for a line.
  await sleep(3_000);
  const before = await page.evaluate("performance.now()");
  between.cut();
  await page.waitForSelector("#status[data-state=waiting]");
  assert.match(await page.innerText("#notice"), /The connection to the gateway is lost\. Trying again/);
  assert.equal(await page.innerText('[data-value="connections"]'), "–", "what is not known is not told as it was");
  await sleep(3_000);
  between.mend();
  await page.waitForSelector("#status[data-state=live]", { timeout: 15_000 });
  assert.ok(await page.locator("#notice").isHidden());
  await until(page, "it is told anew", reading("connections"), (text) => text === "1");
  assert.ok((await page.evaluate("performance.now()")) > before, "the page was not loaded anew");

  // Where nobody looked there is no line: of the last columns of the plot some in the middle are empty.
  const columns = await page.evaluate(() => {
    const canvas = document.querySelector("[data-figure=connections] canvas");
    const { width, height } = canvas;
    const [from, across] = [Math.round(width * 0.9), width - Math.round(width * 0.9)];
    const { data } = canvas.getContext("2d").getImageData(from, Math.round(height * 0.2), across, Math.round(height * 0.6));
    // Lines are dark on this paper, and what is behind them is not.
    const isLine = (at) => data[at + 3] > 200 && data[at] + data[at + 1] + data[at + 2] < 450;
    const isDrawn = (x) => Array.from({ length: data.length / 4 / across }, (_, y) => 4 * (y * across + x)).some(isLine);
    return Array.from({ length: across }, (_, x) => Number(isDrawn(x))).join("");
  });
  assert.match(columns, /10+1/, `a gap is in ${columns}`);
  somebody.terminate();
  between.close();
}
