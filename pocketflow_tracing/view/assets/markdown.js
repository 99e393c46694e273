// Markdown as elements, without ever making HTML of a text. A link shows where it leads and leads nowhere:
// what a model wrote is not to be clicked by accident.

import { element } from "./dom.js";
import { appendVisible } from "./text.js";

const MAX_SHOWN = 100_000;
const MAX_DEPTH = 8; // of lists and quotations in one another

export function markdown(text) {
  const lines = text.slice(0, MAX_SHOWN).split("\n");
  const holder = element("div", { class: "markdown" });
  for (const block of blocks(lines)) holder.append(block);
  if (text.length > MAX_SHOWN) holder.append(element("p", { class: "dim" }, "The rest is shown as text only."));
  return holder;
}

const FENCE = /^\s*(```+|~~~+)\s*(\S*)/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;
const QUOTE = /^\s*>\s?(.*)$/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const ROW = /^\s*\|(.*)\|\s*$/;

function* blocks(lines, depth = 0) {
  let at = 0;
  const taken = (test) => {
    const from = at;
    while (at < lines.length && test(lines[at])) at++;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (fence) {
      at++;
      const code = taken((one) => !one.trim().startsWith(fence[1]));
      at++;
      yield element("pre", { class: "text", tabindex: "0" }, appendVisible(element("code", {}), code.join("\n")));
    } else if (heading) {
      at++;
      // Beneath the headings of the page itself.
      yield inline(element(`h${Math.min(heading[1].length + 3, 6)}`, {}), heading[2]);
    } else if (RULE.test(line)) {
      at++;
      yield element("hr", {});
    } else if (ROW.test(line) && /^[\s|:-]+$/.test(lines[at + 1] ?? "")) {
      yield table(taken((one) => ROW.test(one)));
    } else if (QUOTE.test(line) && depth < MAX_DEPTH) {
      yield element("blockquote", {}, ...blocks(taken((one) => QUOTE.test(one)).map((one) => QUOTE.exec(one)[1]), depth + 1));
    } else if (ITEM.test(line)) {
      yield list(taken((one) => ITEM.test(one) || /^\s{2,}\S/.test(one)));
    } else if (!line.trim()) {
      at++;
    } else {
      at++;
      const more = taken((one) => one.trim() && ![FENCE, HEADING, ITEM, QUOTE, RULE].some((form) => form.test(one)));
      yield inline(element("p", {}), [line, ...more].join("\n"));
    }
  }
}

function list(lines) {
  const top = { indent: -1, element: element("div", {}) };
  const open = [top];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (!item) {
      const last = open.at(-1).element.lastElementChild ?? open.at(-1).element;
      inline(last, ` ${line.trim()}`);
      continue;
    }
    const indent = item[1].length;
    while (open.length > 1 && indent < open.at(-1).indent) open.pop();
    if (indent > open.at(-1).indent && open.length <= MAX_DEPTH) {
      const holder = open.at(-1).element.lastElementChild ?? open.at(-1).element;
      const made = element(/\d/.test(item[2]) ? "ol" : "ul", {});
      holder.append(made);
      open.push({ indent, element: made });
    }
    open.at(-1).element.append(inline(element("li", {}), item[3]));
  }
  return top.element;
}

function table(lines) {
  const cells = (line) => ROW.exec(line)[1].split("|").map((cell) => cell.trim());
  const [head, , ...rows] = lines;
  const row = (line, kind) => element("tr", {}, ...cells(line).map((cell) => inline(element(kind, {}), cell)));
  return element("table", {}, element("thead", {}, row(head, "th")), element("tbody", {}, ...rows.map((line) => row(line, "td"))));
}

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|__([^_\n]+)__|\*([^*\s][^*\n]*)\*|!?\[([^\]\n]*)\]\(([^)\s]+)[^)\n]*\)/g;

/** Append a line of Markdown to `parent`. */
function inline(parent, text) {
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    appendVisible(parent, text.slice(at, found.index));
    const [whole, code, strong, alsoStrong, emphasis, label, address] = found;
    if (code !== undefined) parent.append(appendVisible(element("code", {}), code));
    else if (strong ?? alsoStrong) parent.append(appendVisible(element("strong", {}), strong ?? alsoStrong));
    else if (emphasis !== undefined) parent.append(appendVisible(element("em", {}), emphasis));
    else parent.append(appendVisible(element("span", { class: "link-label" }), label), appendVisible(element("span", { class: "dim" }), ` (${address})`));
    at = found.index + whole.length;
  }
  return appendVisible(parent, text.slice(at));
}
