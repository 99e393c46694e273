// Texts made fit to be read: numbers in a reader's units, and nothing invisible in a value.

/** Nanoseconds in the unit that a reader would choose, in three digits. */
export function duration(ns) {
  if (ns === null || ns === undefined) return "";
  if (ns < 1_000) return `${ns} ns`;
  for (const [unit, size] of [["µs", 1e3], ["ms", 1e6], ["s", 1e9]]) {
    const amount = ns / size;
    if (amount < (unit === "s" ? 59.995 : 999.5)) return `${amount.toFixed(decimals(amount))} ${unit}`;
  }
  const seconds = Math.round(ns / 1e9);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function decimals(amount) {
  return amount < 9.995 ? 2 : amount < 99.95 ? 1 : 0;
}

/** A number with its noun in the right form, such as "2 retries". */
export function counted(number, noun) {
  if (number === 1) return `1 ${noun}`;
  const plural = /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${number.toLocaleString("en")} ${plural}`;
}

/** How much a text takes, in a unit that a reader would choose. */
export function size(characters) {
  if (characters < 10_000) return `${characters.toLocaleString("en")} characters`;
  if (characters < 1_000_000) return `${Math.round(characters / 1_000)} k characters`;
  return `${(characters / 1_000_000).toFixed(1)} M characters`;
}

/** `text` in at most `limit` characters. */
export function clip(text, limit) {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

/** A moment in local time, to the second. */
export function moment(ms) {
  const when = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  const day = [when.getFullYear(), two(when.getMonth() + 1), two(when.getDate())].join("-");
  return `${day} ${[when.getHours(), when.getMinutes(), when.getSeconds()].map(two).join(":")}`;
}

// Control characters, marks that turn the direction of text, lone surrogates and other things that cannot
// be seen. Joiners (200c, 200d) stay: scripts and emoji need them, and they move nothing.
const UNSEEN = /(?:(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}])+/gu;

/** `text` on one line, with all that is invisible written as Python would write it. */
export function visible(text) {
  return text.replace(UNSEEN, escaped).replace(/\n/g, "\\n").replace(/\t/g, "\\t");
}

/** Append `text` to `parent`; what is invisible in it is written out and marked. Lines stay lines. */
export function appendVisible(parent, text) {
  let at = 0;
  for (const found of text.matchAll(UNSEEN)) {
    if (found.index > at) parent.append(text.slice(at, found.index));
    const mark = document.createElement("span");
    mark.className = "unseen";
    mark.append(escaped(found[0]));
    parent.append(mark);
    at = found.index + found[0].length;
  }
  if (at < text.length) parent.append(at ? text.slice(at) : text);
  return parent;
}

function escaped(characters) {
  return Array.from(characters, (character) => {
    const code = character.codePointAt(0);
    if (character === "\r") return "\\r";
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
    return `\\U${code.toString(16).padStart(8, "0")}`;
  }).join("");
}
