// The tree of spans with their bars in time. Only the rows that can be seen are on the page, so that
// a trace of any length scrolls as a short one does.

import { button, element, icon } from "./dom.js";
import { appendVisible, clip, counted, duration } from "./text.js";
import { notes, title } from "./spans.js";
import { TimeScale } from "./timescale.js";

const ROW_HEIGHT = 24; // as --row in tree.css
const BEYOND = 8; // rows kept ready above and below
const MAX_PRINTED = 3_000;
const INDENT = 14;

export class Tree {
  /** `act` has `select(id)`, `toggle(span)` and `zoom(span)`. */
  constructor(spans, act) {
    this.spans = spans;
    this.act = act;
    this.rows = [];
    this.position = new Map();
    this.selected = null;
    this.isPrinting = false;
    this.prefix = `row-${Math.random().toString(36).slice(2, 8)}-`;
    this.scale = new TimeScale();
    this.body = element("div", { class: "tree-body", role: "presentation" });
    this.scroller = element(
      "div",
      { class: "tree-rows", role: "tree", tabindex: "0", "aria-label": "Steps of the run", on: { scroll: () => this.paintSoon(), click: (event) => this.clicked(event), dblclick: (event) => this.doubleClicked(event) } },
      this.body,
    );
    this.unprinted = element("p", { class: "tree-unprinted", hidden: true });
    this.empty = element("p", { class: "tree-empty", hidden: true }, "Nothing here matches.");
    this.element = element("section", { class: "tree", "aria-label": "Tree and waterfall" }, this.heading(), this.scroller, this.unprinted, this.empty);
    this.resized = new ResizeObserver(() => this.paint());
    this.resized.observe(this.scroller);
  }

  heading() {
    this.ticks = element("div", { class: "tree-ticks", "aria-hidden": "true" });
    return element(
      "div",
      { class: "tree-heading" },
      element("div", { class: "tree-tools" },
        element("h2", {}, "Steps"),
        button("Open all (o)", () => this.act.openAll(true), { class: "quiet" }, icon("plus")),
        button("Fold all (f)", () => this.act.openAll(false), { class: "quiet" }, icon("minus"))),
      element("div", { class: "took-heading" }, "took"),
      this.ticks,
    );
  }

  /** Show these rows; what is selected and where the reader has scrolled to stay. */
  show(rows, reach) {
    this.rows = rows;
    this.position = new Map(rows.map((row, index) => [row.span.id, index]));
    this.scale.reach(reach);
    this.empty.hidden = rows.length > 0;
    this.paint();
  }

  select(id) {
    this.selected = id;
    this.paint();
  }

  /** Scroll so far that the selected row can be seen. */
  reveal() {
    const index = this.position.get(this.selected);
    if (index === undefined) return;
    const { scrollTop, clientHeight } = this.scroller;
    const top = index * ROW_HEIGHT;
    const isNear = top > scrollTop - 3 * ROW_HEIGHT && top < scrollTop + clientHeight + 3 * ROW_HEIGHT;
    if (!isNear) this.scroller.scrollTop = top - clientHeight / 2;
    else if (top < scrollTop) this.scroller.scrollTop = Math.max(top - 2 * ROW_HEIGHT, 0);
    else if (top + ROW_HEIGHT > scrollTop + clientHeight) this.scroller.scrollTop = top + 3 * ROW_HEIGHT - clientHeight;
    this.paint();
  }

  /** How many rows fill the screen. */
  get page() {
    return Math.max(Math.floor(this.scroller.clientHeight / ROW_HEIGHT) - 1, 1);
  }

  paintSoon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => this.paint());
  }

  /** On paper all rows stand, up to some number. */
  print(isPrinting) {
    this.isPrinting = isPrinting;
    this.paint();
  }

  paint() {
    const whole = this.isPrinting;
    cancelAnimationFrame(this.waiting);
    this.waiting = null;
    const { scrollTop, clientHeight } = this.scroller;
    const first = whole ? 0 : Math.max(Math.floor(scrollTop / ROW_HEIGHT) - BEYOND, 0);
    const last = whole ? MAX_PRINTED : Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + BEYOND;
    const left = whole ? Math.max(this.rows.length - MAX_PRINTED, 0) : 0;
    this.body.style.height = `${(this.rows.length - left) * ROW_HEIGHT}px`;
    this.unprinted.hidden = !left;
    this.unprinted.textContent = `${counted(left, "more step")} not printed`;
    this.body.replaceChildren(...this.rows.slice(first, last).map((row, index) => this.row(row, first + index)));
    const isShown = this.position.get(this.selected) >= first && this.position.get(this.selected) < last;
    if (isShown) this.scroller.setAttribute("aria-activedescendant", this.prefix + this.selected);
    else this.scroller.removeAttribute("aria-activedescendant");
    this.paintTicks();
  }

  paintTicks() {
    const width = this.ticks.clientWidth;
    const ticks = this.scale.ticks(width);
    this.scroller.style.setProperty("--tick", `${ticks.length > 1 ? ticks[1].share * width : width}px`);
    this.ticks.replaceChildren(
      ...ticks.map(({ share, label }) => element("span", { class: "tick", style: { left: `${share * 100}%` } }, label)),
    );
  }

  row({ span, depth, isMatch }, index) {
    const children = this.spans.children(span).length;
    const state = this.spans.state(span);
    const isSelected = span.id === this.selected;
    return element(
      "div",
      {
        class: `row state-${state} kind-${span.kind}${isSelected ? " is-selected" : ""}${isMatch ? "" : " is-around"}`,
        id: this.prefix + span.id,
        role: "treeitem",
        "aria-level": depth + 1,
        "aria-expanded": children ? String(this.act.isOpen(span)) : null,
        "aria-selected": String(isSelected),
        "aria-posinset": index + 1,
        "aria-setsize": this.rows.length,
        "data-span": span.id,
        style: { top: `${index * ROW_HEIGHT}px` },
      },
      this.naming(span, depth, children, state),
      element("div", { class: "row-took" }, duration((span.end ?? this.scale.whole) - span.start)),
      element("div", { class: "row-bar" }, this.bar(span)),
    );
  }

  naming(span, depth, children, state) {
    const name = element("span", { class: "row-title" });
    appendVisible(name, clip(title(span), 120));
    const isPhase = name.textContent === span.kind;
    const action = span.attributes?.action;
    const leadsTo = action !== null && action !== undefined && (span.kind === "node" || span.kind === "flow");
    return element(
      "div",
      { class: "row-name", style: { "padding-left": `${6 + depth * INDENT}px` } },
      children ? element("span", { class: "twisty", "data-toggle": true }, icon("chevron")) : element("span", { class: "twisty" }),
      element("span", { class: `mark mark-${state}`, title: STATES[state] ?? state }, icon(state === "unset" ? "unset" : state), element("span", { class: "unseen-label" }, `${STATES[state] ?? state}: `)),
      isPhase || span.kind === "node" || span.kind === "iteration" ? null : element("span", { class: "kind" }, span.kind),
      name,
      leadsTo ? appendVisible(element("span", { class: "action" }), `→ ${clip(String(action), 60)}`) : null,
      ...notes(span, this.spans).map((note) => appendVisible(element("span", { class: "note" }), clip(note, 80))),
      span.attributes?.warnings?.length ? element("span", { class: "flag flag-warning", title: span.attributes.warnings.join("\n") }, icon("warning"), "warning") : null,
      span.redacted?.length && !this.spans.parent(span)?.redacted?.length ? element("span", { class: "lock", title: `${span.redacted.length} masked` }, icon("masked")) : null,
      this.changed(span),
    );
  }

  changed(span) {
    const names = span.changed ?? [];
    const above = this.spans.parent(span);
    const isSaidAbove = span.kind === "post" && above?.changed?.join() === names.join();
    if (!names.length || isSaidAbove) return null;
    return element("span", { class: "changed" }, ...names.map((name) => appendVisible(element("span", { class: `sign-${SIGNS[name[0]] ?? "more"}` }), name)));
  }

  bar(span) {
    const { left, width } = this.scale.stretch(span);
    if (left >= 1 || left + width < 0) return null; // not in the part that is looked at
    return element("div", { class: "bar", style: { left: `${left * 100}%`, width: `${width * 100}%` } });
  }

  clicked(event) {
    const row = event.target.closest("[data-span]");
    if (!row) return;
    const span = this.spans.byId.get(row.dataset.span);
    if (event.target.closest("[data-toggle]")) this.act.toggle(span);
    else this.act.select(span.id);
  }

  doubleClicked(event) {
    const row = event.target.closest("[data-span]");
    if (row && !event.target.closest("[data-toggle]")) this.act.toggle(this.spans.byId.get(row.dataset.span));
  }

  destroy() {
    this.resized.disconnect();
    cancelAnimationFrame(this.waiting);
  }
}

const SIGNS = { "+": "added", "~": "changed", "-": "removed" };

/** What a state is called. */
export const STATES = {
  ok: "ok",
  error: "failed",
  recovered: "failed and recovered",
  cancelled: "cancelled",
  interrupted: "interrupted",
  unset: "running",
};
