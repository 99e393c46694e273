// What keys do, and the panel that lists it.

import { button, element, icon } from "./dom.js";

const LISTED = [
  ["↑ ↓", "the step above or below"],
  ["← →", "fold and unfold; out to the parent, in to the first child"],
  ["Page ↑ ↓, Home, End", "further"],
  ["Enter", "into the inspector; Esc comes back"],
  ["/", "search names and values"],
  ["!", "only errors and retries"],
  ["e, E", "the next, the previous error or retry"],
  ["z", "stretch the selected step over the whole width, and back"],
  ["o, f", "open all, fold all"],
  ["g", "show or hide the graph"],
  ["0", "fit the graph"],
  ["t", "dark or light"],
  ["Esc", "end the search"],
  ["?", "this list"],
];

export class Keys {
  constructor(page) {
    this.page = page;
    this.dialog = element(
      "dialog",
      { class: "keys", "aria-label": "Keys" },
      element("h2", {}, "Keys"),
      element("dl", {}, ...LISTED.flatMap(([keys, what]) => [element("dt", {}, ...keys.split(", ").flatMap((key, index) => [index ? " " : "", element("kbd", {}, key)])), element("dd", {}, what)])),
      button("Close (Esc)", () => this.dialog.close(), { class: "quiet keys-close" }, icon("close")),
    );
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    page.element.append(this.dialog);
    this.pressed = (event) => this.press(event);
    document.addEventListener("keydown", this.pressed);
  }

  help() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (this.dialog.open) {
      if (event.key === "?") this.dialog.close();
      return;
    }
    const field = this.page.summary.field;
    if (event.target === field) {
      if (event.key === "Escape") this.leaveSearch();
      else if (event.key === "Enter" || event.key === "ArrowDown") this.intoTree(event);
      return;
    }
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const act = this.acts(event)[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  acts(event) {
    const { page } = this;
    const inTree = !event.target.closest?.(".inspector, .graph, .summary");
    const general = {
      "/": () => page.summary.field.select(),
      "?": () => this.help(),
      "!": () => page.summary.toggleTrouble(),
      e: () => page.nextTrouble(),
      E: () => page.nextTrouble(true),
      z: () => page.zoom(),
      o: () => page.openAll(true),
      f: () => page.openAll(false),
      g: () => page.left.classList.toggle("without-graph"),
      0: () => page.graph.fit(),
      t: () => page.element.querySelector('[data-key="t"]')?.click(),
      Escape: () => this.leave(event),
    };
    return inTree ? { ...general, ...this.moves() } : general;
  }

  moves() {
    const { page } = this;
    return {
      ArrowDown: () => page.move(1),
      ArrowUp: () => page.move(-1),
      PageDown: () => page.move(page.tree.page),
      PageUp: () => page.move(-page.tree.page),
      Home: () => page.move(-Infinity),
      End: () => page.move(Infinity),
      ArrowRight: () => this.inward(),
      ArrowLeft: () => this.outward(),
      Enter: () => page.inspector.element.focus(),
    };
  }

  inward() {
    const { page } = this;
    const span = page.spans.byId.get(page.selected);
    if (!span || !page.spans.children(span).length) return;
    if (page.folding.isOpen(span)) page.move(1);
    else page.toggle(span, true);
  }

  outward() {
    const { page } = this;
    const span = page.spans.byId.get(page.selected);
    if (!span) return;
    if (page.folding.isOpen(span) && page.spans.children(span).length) page.toggle(span, false);
    else if (page.spans.parent(span)) page.select(span.parent, { reveal: true });
  }

  intoTree(event) {
    event.preventDefault();
    const first = this.page.tree.rows.find((row) => row.isMatch);
    if (first) this.page.select(first.span.id, { reveal: true });
    this.page.tree.scroller.focus();
  }

  leave(event) {
    const isInside = event.target.closest?.(".inspector, .graph");
    if (isInside) this.page.tree.scroller.focus();
    else this.leaveSearch();
  }

  leaveSearch() {
    this.page.summary.clearSearch();
    if (this.page.selected) this.page.select(this.page.selected, { reveal: true });
    this.page.tree.scroller.focus();
  }

  destroy() {
    document.removeEventListener("keydown", this.pressed);
  }
}
