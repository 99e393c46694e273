// One trace: summary, graph, tree with waterfall, and an inspector, linked with one another.
//
//     import { TracePage } from "./trace-page.js";
//
//     const page = new TracePage(document.querySelector("main"), form, options);
//     page.update(form);            // the same trace, later: new, changed and ended spans appear in place
//     page.select(spanId);          // as if it had been clicked; null selects nothing
//     page.destroy();               // takes listeners and elements away
//
// `form` is what `pocketflow_tracing.view.page.form.page_form(trace)` gives. For `update` its `spans` may
// be just those that are new or have changed, each whole; everything else in it (also `flows`, the graph)
// must be whole. Selection, folding, scrolling, search and zoom stay as they are.
//
// Options, all of them optional:
//     values(id)   → the values of a span as `values_form(span)` gives them, or a promise of them;
//                    asked when a span is looked at, and again after an update that changed the span
//     find(query, isCurrent)
//                  → a promise of the ids (an iterable) of spans whose values hold the query, for the
//                    search; `isCurrent()` is false when nobody waits any more. Names, actions, errors and
//                    attributes are searched by the page itself
//     actions      → elements to stand at the right of the summary, such as a theme switch
//     fragment     → false leaves the address alone; otherwise the selected span stands behind its `#`
//
// Styles: theme.css (colours, for the whole document) and those that `STYLES` in view/page/bundle.py lists
// after it. The element given is filled and needs a height of its own (`100vh`, or a cell of a grid).
// No style attribute and no inline script is used: `style-src 'self'; script-src 'self'` is enough.

import { element } from "./dom.js";
import { Folding } from "./folding.js";
import { Graph } from "./graph.js";
import { Inspector } from "./inspector.js";
import { Keys } from "./keys.js";
import { Search } from "./search.js";
import { Spans } from "./spans.js";
import { splitter } from "./splitter.js";
import { Summary } from "./summary.js";
import { Tree } from "./tree.js";

export class TracePage {
  constructor(target, form, options = {}) {
    this.target = target;
    this.options = { fragment: true, ...options };
    this.form = form;
    this.spans = new Spans();
    this.folding = new Folding(this.spans);
    this.selected = null;
    this.build();
    this.update(form);
    this.followFragment = () => this.select(this.fromFragment() ?? this.selected, { reveal: true });
    if (this.options.fragment) addEventListener("hashchange", this.followFragment);
    this.select(this.fromFragment() ?? this.worthSeeing(), { reveal: true, silent: true });
  }

  build() {
    const select = (id) => this.select(id);
    this.search = new Search(this.spans, this.options.find, () => this.showRows());
    this.summary = new Summary(this.spans, this.search, this.options.actions ?? [], { help: () => this.keys.help(), next: (back) => this.nextTrouble(back) });
    this.graph = new Graph(this.spans, (place) => this.selectRun(place));
    this.tree = new Tree(this.spans, {
      select,
      isOpen: (span) => this.folding.isOpen(span),
      toggle: (span) => this.toggle(span),
      openAll: (open) => this.openAll(open),
    });
    this.inspector = new Inspector(this.spans, { select, values: this.options.values });
    this.left = element("div", { class: "trace-left" }, this.graph.element, splitter(this.graph.element, "graph", "y"), this.tree.element);
    const body = element("div", { class: "trace-body" }, this.left, splitter(this.inspector.element, "inspector", "x"), this.inspector.element);
    this.element = element("div", { class: "trace-page" }, this.summary.element, body);
    this.target.replaceChildren(this.element);
    this.keys = new Keys(this);
    this.printing = matchMedia("print");
    this.printed = (event) => this.tree.print(event.matches);
    this.printing.addEventListener("change", this.printed);
    this.beforePrint = () => this.tree.print(true);
    this.afterPrint = () => this.tree.print(false);
    addEventListener("beforeprint", this.beforePrint);
    addEventListener("afterprint", this.afterPrint);
  }

  update(form) {
    const { spans, ...rest } = form;
    const before = this.selected && this.spans.byId.get(this.selected);
    const metadata = JSON.stringify(this.form.metadata);
    Object.assign(this.form, rest);
    this.spans.merge(spans);
    this.summary.show(this.form);
    this.graph.show(this.form.flows);
    this.search.again();
    this.showRows();
    const after = this.selected && this.spans.byId.get(this.selected);
    if (after !== before || JSON.stringify(this.form.metadata) !== metadata) this.inspector.show(after, this.form);
    this.graph.select(after);
  }

  showRows() {
    const reach = this.form.duration_ns ?? this.form.reach_ns;
    this.tree.show(this.folding.rows(this.search.matches), Math.max(reach, this.form.reach_ns));
    this.summary.showMatches(this.search);
  }

  /** Look at one span everywhere; with `reveal`, it is unfolded and scrolled to. */
  select(id, { reveal = false, silent = false } = {}) {
    const span = this.spans.byId.get(id);
    this.selected = span ? id : null;
    if (span && reveal) {
      this.folding.reveal(span);
      this.showRows();
    }
    this.tree.select(this.selected);
    if (span && reveal) this.tree.reveal();
    this.graph.select(span);
    this.inspector.show(span, this.form);
    if (span && !silent) this.intoFragment(id);
  }

  /** Look at the next run of a node of the graph; the first after the last. */
  selectRun(place) {
    const runs = this.spans.runs.get(place) ?? [];
    if (!runs.length) return;
    const at = runs.findIndex((span) => span.id === this.selected);
    this.select(runs[(at + 1) % runs.length].id, { reveal: true });
  }

  /** Go to the next span, or the one before, in which something went wrong. */
  nextTrouble(back = false) {
    const troubled = this.spans.inOrder.filter((span) => this.spans.isTrouble(span));
    if (!troubled.length) return;
    const at = troubled.findIndex((span) => span.id === this.selected);
    const next = back ? (at < 0 ? troubled.length - 1 : at - 1) : at + 1;
    this.select(troubled.at(next % troubled.length).id, { reveal: true });
  }

  /** Select the row so many below, or above. */
  move(by) {
    const { rows, position } = this.tree;
    if (!rows.length) return;
    const at = position.get(this.selected) ?? (by > 0 ? -1 : rows.length);
    const to = Math.min(Math.max(at + by, 0), rows.length - 1);
    this.select(rows[to].span.id);
    this.tree.reveal();
  }

  toggle(span, open = !this.folding.isOpen(span)) {
    if (!this.spans.children(span).length) return;
    this.folding.set(span, open);
    this.showRows();
  }

  openAll(open) {
    this.folding.setAll(open);
    this.showRows();
    this.tree.reveal();
  }

  /** Stretch the selected span over the whole width, or show the whole run again. */
  zoom() {
    const span = this.spans.byId.get(this.selected);
    this.tree.scale.zoom(this.tree.scale.isZoomed ? null : span);
    this.tree.paint();
  }

  /** Where to begin: where it failed or, if it did not, at the root. */
  worthSeeing() {
    const failed = this.spans.inOrder.find((span) => this.spans.isTrouble(span) && this.spans.state(span) === "error");
    return (failed ?? this.spans.tops[0])?.id;
  }

  fromFragment() {
    const id = this.options.fragment ? decodeURIComponent(location.hash.slice(1)) : "";
    return this.spans.byId.has(id) ? id : undefined;
  }

  intoFragment(id) {
    if (!this.options.fragment) return;
    try {
      history.replaceState(null, "", `#${id}`);
    } catch {
      // A page without an address of its own, such as one in a notebook.
    }
  }

  destroy() {
    this.keys.destroy();
    this.tree.destroy();
    this.graph.destroy();
    removeEventListener("hashchange", this.followFragment);
    removeEventListener("beforeprint", this.beforePrint);
    removeEventListener("afterprint", this.afterPrint);
    this.printing.removeEventListener("change", this.printed);
    this.target.replaceChildren();
  }
}
