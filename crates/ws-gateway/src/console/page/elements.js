// Elements, and figures as words. What somebody else has written (users, channels, payloads) becomes text, never markup.

/** Makes an element. `properties` are its own; `class`, `data-…`, `aria-…`, `for` and `role` are attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name === "class") made.className = value;
    else if (name === "for" || name === "role" || /^(data|aria)-/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Sets a text only where it changed, so that nothing is laid out anew for nothing. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

const live = byId("announcements");

/** Says something to whoever listens to the page instead of looking at it. */
export function announce(text) {
  live.textContent = text;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** A number in as many digits as one reads at a glance. */
export function count(value) {
  if (!Number.isFinite(value)) return "–";
  if (value >= 1e9) return `${fine.format(value / 1e9)} G`;
  if (value >= 1e6) return `${fine.format(value / 1e6)} M`;
  return value >= 100 || Number.isInteger(value) ? whole.format(value) : fine.format(value);
}

/** Bytes in the unit that fits. */
export function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(value) : fine.format(value)} ${units[unit]}`;
}

/** Milliseconds as a person says them. */
export function milliseconds(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 1) return `${whole.format(value * 1000)} µs`;
  if (value < 1000) return `${fine.format(value)} ms`;
  return `${fine.format(value / 1000)} s`;
}

/** How long something takes or has taken, in its two largest units. */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The time of day, to the millisecond. */
export function timeOfDay(ms) {
  const date = new Date(ms);
  const two = (part) => String(part).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Puts a text on the clipboard, and says so on the button for a moment. */
export async function copy(text, button) {
  const label = button.dataset.label ?? button.textContent;
  button.dataset.label = label;
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS and off localhost there is no such clipboard.
    said = copyBySelecting(text) ? "Copied" : "Not allowed";
  }
  button.textContent = said;
  announce(said);
  clearTimeout(button.restore);
  button.restore = setTimeout(() => (button.textContent = label), 1500);
}

function copyBySelecting(text) {
  const field = element("textarea", { value: text, class: "unseen" });
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}
