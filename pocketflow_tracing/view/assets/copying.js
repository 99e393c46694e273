// Copying to the clipboard, also where a page is not allowed to use the newer way.

import { button, icon } from "./dom.js";

const SAID_MS = 1_200;

/** A small button that copies what `text()` gives. */
export function copyButton(label, text) {
  const made = button(label, async (event) => {
    event.stopPropagation();
    const isDone = await copied(String(await text()));
    made.classList.add(isDone ? "is-done" : "is-refused");
    made.replaceChildren(icon(isDone ? "ok" : "error"));
    setTimeout(() => {
      made.classList.remove("is-done", "is-refused");
      made.replaceChildren(icon("copy"));
    }, SAID_MS);
  }, { class: "quiet copy" }, icon("copy"));
  return made;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedFromField(text); // a file, or a frame in a notebook
  }
}

function copiedFromField(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen-label";
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  return isDone;
}
