// Finding spans by what they are called, what went wrong in them and what their values hold.

import { title } from "./spans.js";

const AFTER_MS = 120;

export class Search {
  /** `find(query, isCurrent)` finds in values; `changed` is called whenever the matches are others. */
  constructor(spans, find, changed) {
    this.spans = spans;
    this.find = find;
    this.changed = changed;
    this.query = "";
    this.onlyTrouble = false;
    this.matches = null;
    this.isSearching = false;
    this.turn = 0;
  }

  /** Look for `query`, soon: what is typed before is not looked for. */
  for(query) {
    this.query = query.trim();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), AFTER_MS);
  }

  trouble(only) {
    this.onlyTrouble = only;
    this.start();
  }

  clear() {
    clearTimeout(this.timer);
    this.query = "";
    this.start();
  }

  /** The spans are others now. */
  again() {
    if (this.query || this.onlyTrouble) this.start({ keeps: true });
  }

  start({ keeps = false } = {}) {
    const turn = ++this.turn;
    const isCurrent = () => turn === this.turn;
    if (!this.query && !this.onlyTrouble) this.matches = null;
    else this.matches = new Set([...(keeps && this.matches ? this.matches : []), ...this.named()]);
    this.isSearching = Boolean(this.query && this.find);
    this.changed();
    if (this.isSearching) this.lookIntoValues(isCurrent);
  }

  async lookIntoValues(isCurrent) {
    const found = await this.find(this.query, isCurrent);
    if (!isCurrent()) return;
    for (const id of found) {
      const span = this.spans.byId.get(id);
      if (span && this.isWanted(span)) this.matches.add(id);
    }
    this.isSearching = false;
    this.changed();
  }

  named() {
    const wanted = this.query.toLowerCase();
    return this.spans.inOrder
      .filter((span) => this.isWanted(span) && (!wanted || told(span).includes(wanted)))
      .map((span) => span.id);
  }

  isWanted(span) {
    return !this.onlyTrouble || this.spans.isTrouble(span);
  }
}

function told(span) {
  const error = span.error ? [span.error.type, span.error.message, ...(span.error.notes ?? [])] : [];
  const attributes = span.attributes ? JSON.stringify(span.attributes) : "";
  return [title(span), span.name, span.kind, span.key, span.id, span.message, span.generation?.model, attributes, ...error, ...(span.changed ?? [])]
    .filter(Boolean).join("\n").toLowerCase();
}
