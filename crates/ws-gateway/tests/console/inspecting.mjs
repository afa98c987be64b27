// The inspector of the page: counting and tracing begin when they are asked for, and end.

import assert from "node:assert/strict";
import { assertQuiet, client, open, tokensOf, until } from "./browser.mjs";

const lines = (page) => page.locator("#inspector .frame").evaluateAll((rows) => rows.map((row) => row.innerText.replaceAll(/\s+/g, " ")));
const said = (part) => `document.querySelector("#inspector .${part} .said").textContent`;

export async function what_passes_is_traced_and_who_does_most_is_shown({ browser, address, console: console_ }) {
  const users = ["busy", "<b>quiet</b>"];
  const tokens = await tokensOf(users, console_);
  const target = (token) => address.replace(/token=.*/, `token=${token}`);
  const [busy, quiet] = await Promise.all(tokens.map((token) => client(target(token))));
  const page = await open(browser, console_);
  const section = page.locator("#inspector");
  await section.scrollIntoViewIfNeeded();
  assert.equal(await section.locator("tbody tr").count(), 0, "nothing is counted unasked");

  const talking = setInterval(() => busy.say({ type: "heartbeat" }), 20);
  await section.locator("text=Count rates").click();
  const first = () => section.locator("tbody tr").first();
  await until(page, "who is busy comes first", `document.querySelector("#inspector tbody tr")?.innerText ?? ""`, (text) => /^busy/.test(text) && /\d\/s/.test(text), 10_000);
  assert.equal(await section.locator("tbody tr").count(), 2);
  assert.match(await first().innerText(), /–/, "its client has no name");
  assert.equal(await section.locator("tbody b").count(), 0, "names are text");
  await section.locator("text=Stop counting").click();
  clearInterval(talking);

  // A click traces, and what was typed before is of no account.
  await section.locator("input[name=channel]").last().fill("elsewhere");
  await section.getByRole("button", { name: "Trace <b>quiet</b>" }).click();
  await until(page, "it is traced", said("traced"), (text) => text.startsWith("Tracing for"));
  quiet.say({ type: "subscribe", channel: "news" });
  busy.say({ type: "publish", channel: "news", data: "private" });
  quiet.say({ type: "request", requestId: 7, payload: "<img src=x>" });
  await until(page, "it is seen", `document.querySelectorAll("#inspector .frame").length`, (count) => count >= 4);
  const seen = await lines(page);
  assert.match(seen[0], /→ [\d:.]+ subscribe \d+ B <b>quiet<\/b> [0-9a-f]{8} news/);
  assert.ok(seen.every((line) => line.includes("<b>quiet</b>")), seen.join("\n"));
  assert.ok(!seen.some((line) => line.includes("private") || line.includes("<img")), "payloads were not asked for");
  await section.getByRole("button", { name: "Stop", exact: true }).click();
  await until(page, "it has ended", said("traced"), (text) => text.startsWith("The trace was stopped."));
  const kept = (await lines(page)).length;
  quiet.say({ type: "ping" });

  // With payloads, and of a channel.
  const form = section.getByRole("form", { name: "What is traced" });
  await form.locator("input[name=user]").fill("");
  await form.locator("input[name=channel]").fill("news");
  await form.locator("input[name=payloads]").check();
  await section.locator("text=Start a trace").click();
  await until(page, "it is traced again", said("traced"), (text) => text.startsWith("Tracing for"));
  assert.equal((await lines(page)).length, kept, "nothing came between");
  busy.say({ type: "publish", channel: "news", data: "<i>shown</i>" });
  await until(page, "the payload is shown", `document.querySelector("#inspector .frames").innerText`, (text) => text.includes("<i>shown</i>"));
  assert.equal(await section.locator(".frame i").count(), 0, "payloads are text");

  // What is asked for wrongly is told.
  await form.locator("input[name=channel]").fill("a b");
  await section.locator("text=Start a trace").click();
  await until(page, "the fault is told", `document.querySelector("#inspector .traced .fault").textContent`, (text) => text.startsWith("channel: "));
  assertQuiet(page, console_);
  busy.terminate();
  quiet.terminate();
}
