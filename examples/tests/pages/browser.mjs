// A headless Chromium for the pages of the examples. What a page complains about ends the script.

import { createRequire } from "node:module";

const provisioned = createRequire(process.env.WS_TEST_NODE_MODULES + "/");
const { chromium } = provisioned("playwright-core");

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
const lines = process.stdin.setEncoding("utf8")[Symbol.asyncIterator]();

/** A page in a browser of its own, as far as it knows. */
export async function open(address) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => {
    console.error(error);
    process.exit(1);
  });
  await page.goto(address);
  return page;
}

/** Waits until the page shows a text. */
export const shows = (page, text) => page.getByText(text, { exact: false }).first().waitFor();

/** Notes each state that the page shows from now on; waits for one of them, however short it was. */
export async function states(page) {
  await page.evaluate(() => {
    const state = document.getElementById("state");
    const seen = (window.statesSeen = []);
    new MutationObserver(() => seen.push(state.textContent)).observe(state, { childList: true });
  });
  const wasSeen = (text) => window.statesSeen.some((state) => state.includes(text));
  return (text) => page.waitForFunction(wasSeen, text);
}

/** Asks the test to do something, and waits until it is done. */
export async function ask(wish) {
  console.log(wish);
  await lines.next();
}

export async function close() {
  await browser.close();
  process.exit(0);
}
