// Which rows of the tree are to be seen: what is folded, and what a search leaves.

const ALL_OPEN_UP_TO = 80;

/** Remembers what the reader opened and closed; what is left alone is open where it tells something. */
export class Folding {
  constructor(spans) {
    this.spans = spans;
    this.chosen = new Map();
  }

  isOpen(span) {
    return this.chosen.get(span.id) ?? this.opensItself(span);
  }

  opensItself(span) {
    if (this.spans.inOrder.length <= ALL_OPEN_UP_TO) return true;
    return this.spans.children(span).some((child) => !this.spans.isQuiet(child));
  }

  set(span, open) {
    this.chosen.set(span.id, open);
  }

  setAll(open) {
    for (const span of this.spans.inOrder) {
      const isTop = !this.spans.parent(span);
      if (this.spans.children(span).length) this.chosen.set(span.id, open || isTop);
    }
  }

  /** Open everything around `span`, so that it has a row. */
  reveal(span) {
    for (const around of this.spans.above(span)) if (!this.isOpen(around)) this.set(around, true);
  }

  /**
   * The rows from top to bottom, as `{span, depth, isMatch}`. With `matches`, a set of ids, these and
   * what is around them, however it is folded.
   */
  rows(matches = null) {
    const shown = matches && this.around(matches);
    const rows = [];
    const waiting = this.spans.tops.map((span) => ({ span, depth: 0 })).reverse();
    while (waiting.length) {
      const { span, depth } = waiting.pop();
      if (shown && !shown.has(span.id)) continue;
      rows.push({ span, depth, isMatch: !matches || matches.has(span.id) });
      if (!shown && !this.isOpen(span)) continue;
      const children = this.spans.children(span);
      for (let index = children.length - 1; index >= 0; index--) waiting.push({ span: children[index], depth: depth + 1 });
    }
    return rows;
  }

  around(matches) {
    const shown = new Set();
    for (const id of matches) {
      for (let span = this.spans.byId.get(id); span && !shown.has(span.id); span = this.spans.parent(span)) shown.add(span.id);
    }
    return shown;
  }
}
