// The values that stand in the page, one line of JSON for each span, read when they are asked for.

import { parsed } from "./numbers.js";

const SLICE_MS = 8; // a search gives way to the reader that often

/** Functions that give the values of a span, and find spans by what their values hold. */
export function embeddedValues(script, ids) {
  let lines = null;
  const read = () => (lines ??= new Map(script.textContent.split("\n").map((line, index) => [ids[index], line])));

  const values = (id) => parsed(read().get(id) ?? "{}");

  const find = async (query, isCurrent) => {
    const wanted = asWritten(query).toLowerCase();
    const found = [];
    let until = performance.now() + SLICE_MS;
    for (const [id, line] of read()) {
      if (line.toLowerCase().includes(wanted)) found.push(id);
      if (performance.now() < until) continue;
      await new Promise((resume) => setTimeout(resume));
      if (!isCurrent()) break;
      until = performance.now() + SLICE_MS;
    }
    return found;
  };
  return { values, find };
}

/** A query as the texts of these lines are written, so that it is found without reading them. */
function asWritten(query) {
  const quoted = JSON.stringify(query).slice(1, -1);
  return quoted.replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
