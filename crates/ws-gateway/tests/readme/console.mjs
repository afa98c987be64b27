// Pastes a snippet into the console of a page in headless Chromium, answers the prompts that it makes,
// and prints what the page logs, a line each, until so many lines have come.
//
// node console.mjs PAGE ANSWER LINES < SNIPPET

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const provisioned = createRequire(process.env.WS_TEST_NODE_MODULES + "/");
const { chromium } = provisioned("playwright-core");

const [address, answer, lines] = process.argv.slice(2);
const snippet = readFileSync(0, "utf8");

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
const patience = setTimeout(() => {
  console.error("the page logged nothing more");
  process.exit(1);
}, 30_000);

const page = await browser.newPage();
page.on("dialog", (dialog) => dialog.accept(answer));
page.on("pageerror", (error) => console.error(error));
const allLogged = new Promise((resolve) => {
  let left = Number(lines);
  page.on("console", (message) => {
    // The browser's own remarks, such as on an icon that is not there, are of other types.
    if (message.type() !== "log") return;
    console.log(message.text());
    left -= 1;
    if (left === 0) resolve();
  });
});
await page.goto(address);

// As the console of the developer tools does it: names that were declared once may be declared again.
const console_ = await page.context().newCDPSession(page);
const { exceptionDetails } = await console_.send("Runtime.evaluate", {
  expression: snippet,
  replMode: true,
  userGesture: true,
});
if (exceptionDetails) {
  console.error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  process.exit(1);
}
await allLogged;
clearTimeout(patience);
await browser.close();
