// The list of traces: filtered, in pages, and up to date while one looks.

import { element } from "/view/dom.js";
import { counted } from "/view/text.js";
import { follow, get } from "./api.js";
import { fill, keep } from "./dom.js";
import { asked, chips, filterBar, filtersOf, listAddress } from "./filters.js";
import { header, row, tick } from "./rows.js";
import { emptyStore, showTrouble } from "./states.js";

export function showTraces(view, setLive) {
  document.title = "Traces · pocketflow-tracing";
  const list = new TraceList(view);
  window.addEventListener("popstate", () => list.goTo(filtersOf(), pageOf()));
  document.addEventListener("keydown", (event) => list.pressed(event));
  setInterval(() => tick(list.body), 1000);
  list.goTo(filtersOf(), pageOf());
  follow("/api/changes", { changed: () => list.refresh() }, setLive);
}

function pageOf() {
  const parameters = new URLSearchParams(location.search);
  return { before: parameters.get("before") ?? undefined, after: parameters.get("after") ?? undefined };
}

/** A click anywhere in a row opens its trace, unless it meant something in it. */
function opened(event) {
  if (event.target.closest("a, input, label") || String(getSelection())) return;
  event.target.closest("tr")?.querySelector("a.name")?.dispatchEvent(new MouseEvent("click", { ctrlKey: event.ctrlKey, metaKey: event.metaKey, shiftKey: event.shiftKey }));
}

class TraceList {
  constructor(view) {
    this.answer = null;
    this.asking = null;
    this.isStale = false;
    this.picked = [];
    this.bar = element("div", { class: "filter-bar" });
    this.chips = element("div", { class: "chips", role: "group", "aria-label": "Filters that are on" });
    this.compare = element("a", { class: "button", hidden: true });
    this.total = element("span", { class: "total", role: "status" });
    this.trouble = element("div", { class: "trouble", role: "alert" });
    this.body = element("tbody");
    this.table = element("table", { class: "list opens", hidden: true, on: { click: opened } }, element("caption", { class: "sr-only" }, "Traces, newest first"), header(), this.body);
    this.empty = element("div", { class: "empty" });
    this.pages = element("nav", { class: "pages", "aria-label": "Pages of the list" });
    fill(view, element("h1", { class: "sr-only" }, "Traces"), element("div", { class: "filter-line" }, this.bar, this.total),
      element("div", { class: "list-head" }, this.chips, this.compare), this.trouble,
      element("div", { class: "scrolls", role: "region", "aria-label": "Traces", tabindex: "0" }, this.table), this.empty, this.pages);
  }

  /** Show this; `isTyped` leaves the form alone in which somebody is typing. */
  goTo(filters, page = {}, isTyped = false) {
    this.filters = filters;
    this.page = page;
    if (!isTyped) fill(this.bar, filterBar(filters, (next) => this.change(next, true)));
    fill(this.chips, chips(filters, (next) => this.change(next)));
    this.load(false);
  }

  change(filters, isTyped = false) {
    history.pushState(null, "", listAddress(filters));
    this.goTo(filters, {}, isTyped);
  }

  /** Something was written: look again, unless an older page is shown, which stays as it is. */
  refresh() {
    if (this.page.before || this.page.after) return;
    if (this.asking) this.isStale = true;
    else this.load(true);
  }

  async load(isLive) {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    this.isStale = false;
    this.table.classList.toggle("is-stale", !isLive);
    try {
      this.answer = await get("/api/traces", { ...asked(this.filters), ...this.page }, asking.signal);
      this.render(isLive);
      showTrouble(this.trouble, null);
      this.count(asking.signal);
    } catch (failure) {
      if (failure.name !== "AbortError") showTrouble(this.trouble, failure, () => this.load(false));
    }
    if (this.asking !== asking) return;
    this.asking = null;
    this.table.classList.remove("is-stale");
    if (this.isStale) this.load(true);
  }

  async count(signal) {
    // Looking for a text in everything would take too long.
    const counted_ = this.filters.text ? null : await get("/api/count", asked(this.filters), signal).catch(() => null);
    if (!signal.aborted) this.total.textContent = counted_ ? counted(counted_.count, "trace") : "";
  }

  render(isLive) {
    const { traces, newer, older } = this.answer;
    keep(this.body, traces, (trace) => trace.id, (trace) => JSON.stringify([trace, this.filters]), (trace, isKnown) => row(trace, {
      filters: this.filters, isPicked: this.picked.includes(trace.id), isNew: isLive && !isKnown,
      pick: (id, isChosen) => this.pick(id, isChosen),
    }));
    tick(this.body);
    this.table.hidden = traces.length === 0;
    fill(this.empty, traces.length ? [] : this.emptiness());
    const link = (name, page, rel) => element("a", { href: listAddress(this.filters, page), class: "button", rel }, name);
    fill(this.pages, this.page.before || this.page.after ? link("Newest", {}) : null,
      newer ? link("← Newer", { after: newer }, "prev") : null, older ? link("Older →", { before: older }, "next") : null);
  }

  emptiness() {
    const isFiltered = Object.keys(this.filters).length > 0;
    if (!isFiltered && !this.page.before && !this.page.after) return emptyStore(this.answer.store);
    const rest = this.answer.older ? " so far; older ones are still to be looked through" : "";
    return [element("p", {}, `No trace matches${rest}.`),
      isFiltered && element("button", { type: "button", class: "button", on: { click: () => this.change({}) } }, "Clear the filters")];
  }

  pick(id, isChosen) {
    // Two at a time: the one that was chosen first makes room.
    this.picked = [...this.picked.filter((one) => one !== id), ...(isChosen ? [id] : [])].slice(-2);
    for (const box of this.body.querySelectorAll("input:checked")) box.checked = this.picked.includes(box.closest("tr").dataset.key);
    const [a, b] = this.picked;
    this.compare.hidden = !a;
    this.compare.textContent = b ? "Compare the two" : "Tick another one to compare";
    if (b) this.compare.setAttribute("href", `/compare?a=${a}&b=${b}`);
    else this.compare.removeAttribute("href");
  }

  /** "/" goes to the search, j and k to the trace below and above. */
  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select")) return;
    if (event.key === "/") {
      event.preventDefault();
      this.bar.querySelector("input").focus();
    }
    const step = { j: 1, k: -1 }[event.key];
    if (!step) return;
    const names = [...this.body.querySelectorAll("a.name")];
    const at = names.indexOf(event.target.closest("tr")?.querySelector("a.name"));
    names[Math.min(names.length - 1, Math.max(0, at + step))]?.focus();
  }
}
