// What a step changed in the store, as a list of what was added, changed and removed.

import { element, icon } from "./dom.js";
import { appendVisible, clip } from "./text.js";
import { brief, valueView } from "./value.js";

const SIGNS = [["added", "+"], ["changed", "~"], ["removed", "−"]];
const MAX_BRIEF = 90;
const PIECE = 60;

export function changesView(changes) {
  const list = element("ul", { class: "changes" });
  const entries = [...flattened(changes, "", false)];
  const more = element("button", { type: "button", class: "more", on: { click: () => show() } });
  let shown = 0;
  function show() {
    list.append(...entries.slice(shown, shown + PIECE).map(change));
    shown += PIECE;
    more.hidden = shown >= entries.length;
    more.textContent = `show more: ${entries.length - shown} left`;
  }
  show();
  const notes = [changes.concurrent && "Steps ran side by side: some of it may be others'.", changes.partial && "Not all of the store was seen: there may be more."].filter(Boolean);
  return element("div", {}, list, more, ...notes.map((note) => element("p", { class: "dim" }, note)));
}

/** Each change with the path of what changed; what changed inside a value is told by itself. */
function* flattened(changes, above, isInside) {
  const isList = isInside && SIGNS.every(([kind]) => Object.keys(changes[kind] ?? {}).every((key) => /^\d+$/.test(key) || key === "length"));
  for (const [kind, sign] of SIGNS) {
    for (const [key, value] of Object.entries(changes[kind] ?? {})) {
      const name = !above ? key : isList && key !== "length" ? `${above}[${key}]` : `${above}.${key}`;
      if (kind === "changed" && value && typeof value === "object" && !Array.isArray(value)) yield* flattened(value, name, true);
      else yield { kind, sign, name, value };
    }
  }
}

function change({ kind, sign, name, value }) {
  const head = [element("span", { class: `sign sign-${kind}`, title: kind }, sign), appendVisible(element("span", { class: "key" }), clip(name, 200))];
  if (kind !== "changed" || !Array.isArray(value) || value.length !== 2) return element("li", {}, ...head, ...shownAs(value));
  return element("li", {}, ...head, element("span", { class: "before" }, ...shownAs(value[0])), element("span", { class: "dim" }, "→"), ...shownAs(value[1]));
}

function shownAs(value) {
  const isShort = typeof value !== "object" || value === null ? String(value).length <= MAX_BRIEF : JSON.stringify(value)?.length <= MAX_BRIEF;
  if (isShort) return [brief(value, MAX_BRIEF)];
  const details = element("details", { class: "change-value" }, element("summary", {}, icon("chevron"), brief(value, MAX_BRIEF)));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const view = valueView(value, { path: "changes", redacted: [], truncated: [] });
    details.append(view.tools, view.element);
  });
  return [details];
}
