// Two people in the chat, one of whom loses the connection while the other speaks.
//
// node chat.mjs ADDRESS

import { ask, close, open, shows, states } from "./browser.mjs";

const [address] = process.argv.slice(2);

async function join(name) {
  const page = await open(address);
  await page.fill("#name", name);
  await page.click("#join button");
  await page.locator("#say").waitFor();
  return page;
}
async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

const ada = await join("ada");
await shows(ada, "1 here: ada");
const bob = await join("bob");
await shows(ada, "bob is here");

await say(ada, "Hello");
await shows(ada, "ada: Hello");
await shows(bob, "ada: Hello");
await say(bob, "@ada psst");
await shows(ada, "bob to you alone: psst");
await bob.locator("#text").pressSequentially("x");
await shows(ada, "bob is writing …");

const seen = await states(ada);
await ask("disconnect ada");
await seen("reconnecting");
await say(bob, "Still there?");
await say(ada, "Said while away");
for (const page of [ada, bob]) {
  await shows(page, "bob: Still there?");
  await shows(page, "ada: Said while away");
}
if ((await ada.textContent("#log")).includes("missed")) throw new Error("something was missed");
await close();
