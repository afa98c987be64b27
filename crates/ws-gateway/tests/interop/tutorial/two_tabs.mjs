// Does in a browser what the tutorial says: two tabs, a word, a gateway that is killed and started again.
//
// node two_tabs.mjs PAGE TOKEN_OF_ADA TOKEN_OF_BOB

import { createRequire } from "node:module";

const provisioned = createRequire(`${process.env.WS_TEST_NODE_MODULES}/`);
const { chromium } = provisioned("playwright-core");
const [address, ...tokens] = process.argv.slice(2);

const browser = await chromium.launch({
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
// Two tabs of one browser, as a reader has them.
const context = await browser.newContext();
const tabs = [];
for (const token of tokens) {
  const tab = await context.newPage();
  tab.setDefaultTimeout(20_000);
  tab.on("pageerror", (error) => {
    console.error(error);
    process.exit(1);
  });
  await tab.goto(`${address}#${token}`);
  tabs.push(tab);
  await state(tab, "connected");
}
const [ada, bob] = tabs;

function state(tab, expected) {
  const isSo = (expected) => document.getElementById("state").textContent === expected;
  return tab.waitForFunction(isSo, expected);
}
async function say(tab, text) {
  await tab.fill("#text", text);
  await tab.press("#text", "Enter");
}
const shows = (tab, line) => tab.locator("#log li", { hasText: line }).waitFor();

await shows(ada, "bob is here");
await say(ada, "Hello");
await shows(bob, "ada: Hello");
console.log(await bob.locator("#log li").last().textContent());

console.log("stop it");
for (const tab of tabs) await tab.waitForFunction(() => document.getElementById("state").textContent !== "connected");
await say(bob, "Is it gone?");
await say(ada, "It seems so");
await say(ada, "Let us wait");
console.log("start it");
for (const tab of tabs) {
  await state(tab, "connected");
  for (const line of ["bob: Is it gone?", "ada: It seems so", "ada: Let us wait"]) await shows(tab, line);
}
await say(bob, "There it is");
const logs = [];
for (const tab of tabs) {
  await shows(tab, "bob: There it is");
  const lines = await tab.locator("#log li").allTextContents();
  // Who came first was told of the other.
  logs.push(lines.filter((line) => !line.endsWith(" is here")));
}
const [byAda, byBob] = logs.map((lines) => lines.join("\n"));
if (byAda !== byBob || logs[0].length !== 5) throw new Error(`ada: ${byAda}\nbob: ${byBob}`);
console.log("both show the same");
await browser.close();
