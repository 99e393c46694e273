// A value as a reader wants to see it: JSON that folds, a text as text, Markdown or JSON.

import { element, icon } from "./dom.js";
import { markdown } from "./markdown.js";
import { asJson, parsed, Written } from "./numbers.js";
import { appendVisible, clip, counted, size, visible } from "./text.js";

const TEXT_PIECE = 20_000; // characters shown at once; more on demand
const ENTRIES_PIECE = 100;
const SHORT_TEXT = 100;
const OPEN_ENTRIES = 12;
const OPEN_DEPTH = 2;
const MAX_JSON_TEXT = 2_000_000; // a longer text is not tried as JSON

/**
 * A view of `value`: its element, and the tools that choose how it is shown. `given` has the `path` the
 * value stands at, the paths that were `redacted` and `truncated`, and `modes`, a map that remembers under
 * `kind` how the reader wants it.
 */
export function valueView(value, given) {
  const holder = element("div", { class: "value" });
  const modes = modesOf(value);
  const names = Object.keys(modes);
  const remembered = given.modes?.get(given.kind);
  let mode = names.includes(remembered) ? remembered : names[0];
  const choices = names.length > 1 ? names.map((name) => choice(name)) : [];

  function choice(name) {
    return element("button", { type: "button", class: "mode", "aria-pressed": String(name === mode), on: { click: () => show(name, true) } }, name);
  }
  function show(name, isChosen = false) {
    mode = name;
    if (isChosen) given.modes?.set(given.kind, name);
    for (const made of choices) made.setAttribute("aria-pressed", String(made.textContent === name));
    holder.replaceChildren(modes[name](given));
  }
  show(mode);
  return { element: holder, tools: element("span", { class: "modes" }, ...choices) };
}

function modesOf(value) {
  if (typeof value === "string") {
    const modes = { Text: (given) => textBlock(value, given) };
    const inner = jsonIn(value);
    if (inner !== undefined) modes.JSON = (given) => tree(inner, { ...given, redacted: [], truncated: [] });
    else if (looksMarked(value)) modes.Markdown = () => markdown(value);
    return modes;
  }
  if (value === null || typeof value !== "object" || value instanceof Written) return { Value: () => scalar(value) };
  return { Tree: (given) => tree(value, given), JSON: (given) => textBlock(asJson(value), given) };
}

function jsonIn(text) {
  if (text.length > MAX_JSON_TEXT || !/^\s*[[{]/.test(text)) return undefined;
  try {
    const value = parsed(text);
    return value && typeof value === "object" ? value : undefined;
  } catch {
    return undefined;
  }
}

function looksMarked(text) {
  return /(^|\n)(#{1,6} |[-*+] |\d+[.)] |> |```|\|.+\|)|\*\*[^*\n]+\*\*|`[^`\n]+`/.test(text.slice(0, TEXT_PIECE));
}

/** A text as it is, lines kept; of a very long one a piece, and more on demand. */
function textBlock(text, given = {}) {
  const block = element("pre", { class: "text", tabindex: "0" });
  let shown = 0;
  const more = element("button", { type: "button", class: "more", on: { click: () => show() } });
  function show() {
    const piece = text.slice(shown, pieceEnd(text, shown + TEXT_PIECE));
    appendMasked(block, piece, given.redacted?.length);
    shown += piece.length;
    more.hidden = shown >= text.length;
    more.textContent = `show more: ${size(text.length - shown)} left`;
  }
  show();
  return element("div", {}, text === "" ? element("p", { class: "dim" }, "an empty text") : block, more);
}

/** Not between the halves of a character that takes two places. */
function pieceEnd(text, end) {
  const code = text.charCodeAt(end - 1);
  return code >= 0xd800 && code < 0xdc00 ? end + 1 : end;
}

const MASK = "[redacted]";

function appendMasked(parent, text, hasMasks) {
  if (!hasMasks) return appendVisible(parent, text);
  text.split(MASK).forEach((piece, index) => {
    if (index) parent.append(element("span", { class: "masked" }, MASK));
    appendVisible(parent, piece);
  });
  return parent;
}

/** A container whose entries fold. */
function tree(value, given, depth = 0) {
  const list = element("ul", { class: "entries" });
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  if (!entries.length) return element("p", { class: "dim" }, Array.isArray(value) ? "an empty list" : "an empty object");
  const isList = Array.isArray(value);
  let shown = 0;
  const more = element("button", { type: "button", class: "more", on: { click: () => show() } });
  function show() {
    for (const [key, item] of entries.slice(shown, shown + ENTRIES_PIECE)) list.append(entry(key, item, isList, given, depth, entries.length));
    shown = Math.min(shown + ENTRIES_PIECE, entries.length);
    more.hidden = shown >= entries.length;
    more.textContent = `show more: ${counted(entries.length - shown, isList ? "item" : "key")} left`;
  }
  show();
  return element("div", { class: "value-tree" }, list, more);
}

function entry(key, value, isList, given, depth, siblings) {
  const path = isList ? `${given.path}[${key}]` : `${given.path}.${key}`;
  const below = { ...given, path };
  const name = appendVisible(element("span", { class: isList ? "index" : "key" }), isList ? String(key) : clip(key, 200));
  const flags = flagsOf(path, given);
  if (value && typeof value === "object" && !(value instanceof Written)) {
    const open = depth < OPEN_DEPTH && siblings <= OPEN_ENTRIES && entriesIn(value) <= OPEN_ENTRIES && entriesIn(value) > 0;
    return element("li", {}, folded([name, described(value), ...flags], () => tree(value, below, depth + 1), open));
  }
  if (typeof value === "string" && (value.length > SHORT_TEXT || value.includes("\n"))) {
    const view = () => {
      const made = valueView(value, { ...below, kind: "text inside" });
      return element("div", { class: "text-inside" }, made.tools, made.element);
    };
    return element("li", {}, folded([name, appendMasked(element("span", { class: "string" }), visible(clip(value, SHORT_TEXT)), given.redacted.length), ...flags], view, false));
  }
  return element("li", { class: "leaf" }, name, scalar(value, given.redacted.length), ...flags);
}

/** A row that unfolds; what is inside is made when it is looked at. */
function folded(head, inside, open) {
  const made = element("details", { open }, element("summary", {}, icon("chevron"), ...head));
  const fill = () => made.open && made.children.length === 1 && made.append(inside());
  made.addEventListener("toggle", fill);
  fill();
  return made;
}

function entriesIn(value) {
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

function described(value) {
  const count = entriesIn(value);
  return element("span", { class: "dim" }, Array.isArray(value) ? `[${counted(count, "item")}]` : `{${counted(count, "key")}}`);
}

/** What was masked or cut at this path or, where it is folded, beneath it. */
function flagsOf(path, { redacted, truncated }) {
  const at = (paths) => paths.some((one) => one === path);
  const beneath = (paths) => paths.some((one) => one.startsWith(path) && /^[.[]/.test(one.slice(path.length)));
  return [
    at(redacted) && element("span", { class: "flag flag-masked" }, icon("masked"), "masked"),
    !at(redacted) && beneath(redacted) && element("span", { class: "flag flag-masked", title: "something beneath is masked" }, icon("masked")),
    at(truncated) && element("span", { class: "flag flag-cut" }, icon("cut"), "cut short"),
    !at(truncated) && beneath(truncated) && element("span", { class: "flag flag-cut", title: "something beneath is cut short" }, icon("cut")),
  ].filter(Boolean);
}

/** A value without parts, in the colour of its type. */
export function scalar(value, hasMasks = 0) {
  if (typeof value === "string") return appendMasked(element("span", { class: "string" }), JSON.stringify(value), hasMasks);
  return element("span", { class: value === null ? "null" : typeof value === "boolean" ? "boolean" : "number" }, String(value));
}

/** A value on one line, for places that have no room for more. */
export function brief(value, limit = 80) {
  if (value === null || typeof value !== "object" || value instanceof Written) return scalar(typeof value === "string" ? clip(value, limit) : value);
  const text = asJson(value, 0);
  if (text.length <= limit) return appendVisible(element("span", { class: "string" }), text);
  return described(value);
}
