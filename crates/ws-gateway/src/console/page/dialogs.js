// What is asked before it is done: the key of the console, and whether somebody is really to be disconnected.

import { byId } from "./elements.js";

/** Whether the key is still wanted: nothing can be done here without one, and so the question stays open. */
let isWanted = false;

/** Asks for the key, and says why it asks again. Resolves with what was typed. */
export function askKey(fault = "") {
  const dialog = byId("ask-key");
  const field = byId("key");
  byId("key-fault").textContent = fault;
  field.value = "";
  isWanted = true;
  const show = () => {
    if (!dialog.open) dialog.showModal();
    field.focus();
  };
  return new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault();
    // A browser closes it at the second Escape, whatever was said to the first.
    dialog.onclose = () => isWanted && show();
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      const key = field.value.trim();
      if (!key) return;
      stopAsking();
      resolve(key);
    };
    show();
  });
}

/** The key has come in another way. */
export function stopAsking() {
  isWanted = false;
  byId("key").value = "";
  byId("ask-key").close();
}

/** Asks whether. Resolves with `{code, reason}`, or with null. */
export function confirmClose({ title, text, yes }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  // Nobody is sent away for what was said to somebody else.
  byId("confirm-code").value = "1000";
  byId("confirm-reason").value = "";
  return new Promise((resolve) => {
    let answer = null;
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      answer = { code: Number(byId("confirm-code").value), reason: byId("confirm-reason").value.trim() };
      dialog.close();
    };
    byId("confirm-no").onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
    // The harmless one first.
    byId("confirm-no").focus();
  });
}
