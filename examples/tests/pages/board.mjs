// Two boards, and the cursor of each in the other, also after the connections were lost.
//
// node board.mjs ADDRESS

import { ask, close, open, shows, states } from "./browser.mjs";

const [address] = process.argv.slice(2);
const pages = [await open(address), await open(address)];
for (const page of pages) await shows(page, "and connected.");

/** Moves one mouse to a place of its own, and waits until the other board has a cursor there. */
async function follow(mover, watcher, x, y) {
  await mover.mouse.move(x - 100, y - 100);
  await mover.mouse.move(x, y, { steps: 20 });
  const isThere = ([x, y]) => {
    const cursor = document.querySelector(".cursor");
    const [, left, top] = /translate\((.+)px, (.+)px\)/.exec(cursor?.style.transform) ?? [];
    return Math.abs(left - x) < 1 && Math.abs(top - y) < 1;
  };
  await watcher.waitForFunction(isThere, [x, y]);
}

const [one, two] = pages;
await follow(one, two, 300, 200);
await follow(two, one, 450, 250);

const seen = await Promise.all(pages.map(states));
await ask("disconnect all");
for (const seenBy of seen) await seenBy("and reconnecting.");
for (const seenBy of seen) await seenBy("and connected.");
await follow(one, two, 200, 300);
await follow(two, one, 350, 150);
await close();
