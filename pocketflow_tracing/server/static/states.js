// What stands where there is nothing to show, or something went wrong.

import { element } from "/view/dom.js";
import { fill } from "./dom.js";

const FIRST = "pocketflow-tracing run your_script.py";

// How to get a first trace; the list fills by itself when there is one.
export function emptyStore(store) {
  return [
    element("h2", {}, "No traces yet"),
    element("p", {}, "Run a PocketFlow program, unchanged, and its flows show up here as they run:"),
    element("pre", { class: "command" }, element("code", {}, FIRST)),
    element("p", {}, "or decorate a flow with ", element("code", {}, "@trace_flow()"), ", or put ", element("code", {}, "with tracing():"), " around it."),
    store ? element("p", { class: "dim" }, "They are looked for in ", element("code", {}, store)) : null,
  ];
}

// Say what went wrong, with a way to try again; nothing where `failure` is null.
export function showTrouble(place, failure, again = null) {
  if (failure === null) {
    if (place.firstChild) place.replaceChildren();
    return;
  }
  fill(place, element("span", {}, failure.message),
    again ? element("button", { type: "button", class: "button", on: { click: () => again() } }, "Try again") : null);
}
