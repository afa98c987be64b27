// One story of the console, told to a running gateway in headless Chromium.
//
// node stories.mjs STORY ADDRESS CONSOLE

import { launch } from "./browser.mjs";
import * as reading from "./reading.mjs";
import * as doing from "./doing.mjs";
import * as inspecting from "./inspecting.mjs";
import * as opening from "./opening.mjs";

const [story, address, console_] = process.argv.slice(2);
const told = { ...reading, ...doing, ...inspecting, ...opening }[story];
if (!told) throw new Error(`there is no story ${story}`);

const patience = setTimeout(() => {
  console.error(`${story} took too long`);
  process.exit(1);
}, 600_000);

const browser = await launch();
try {
  await told({ browser, address, console: console_ });
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  clearTimeout(patience);
  await browser.close();
}
// Clients of a story that failed may still be there.
process.exit();
