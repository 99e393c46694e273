// The line above everything: how the run went, of whom and when; search, and what else can be done.

import { button, element, icon } from "./dom.js";
import { STATES } from "./tree.js";
import { appendVisible, clip, counted, duration, moment } from "./text.js";
import { dollars, total } from "./spans.js";
import { copyButton } from "./copying.js";

export class Summary {
  constructor(spans, search, actions, act) {
    this.spans = spans;
    this.search = search;
    this.headline = element("div", { class: "headline" });
    this.facts = element("div", { class: "facts" });
    this.found = element("span", { class: "found", role: "status" });
    this.field = element("input", {
      class: "search-field", type: "search", placeholder: "Search names and values", "aria-label": "Search names and values", spellcheck: "false", autocomplete: "off",
      on: { input: () => search.for(this.field.value) },
    });
    this.trouble = button("Only errors and retries (!)", () => this.toggleTrouble(), { class: "toggle", "aria-pressed": "false" }, icon("warning"), "Errors");
    this.element = element(
      "header",
      { class: "summary" },
      element("div", { class: "summary-told" }, this.headline, this.facts),
      element("div", { class: "summary-tools" }, this.found, element("label", { class: "search" }, icon("search"), this.field, element("kbd", { "aria-hidden": "true" }, "/")), this.trouble, ...actions, button("Keys (?)", act.help, { class: "quiet" }, icon("help"))),
    );
  }

  show(form) {
    const state = form.status;
    this.headline.replaceChildren(
      element("span", { class: `badge badge-${state}` }, icon(state), STATES[state] ?? state),
      appendVisible(element("h1", {}), clip(form.name, 160)),
      element("span", { class: "took-whole" }, lasted(form)),
      ...this.counts(form),
    );
    this.facts.replaceChildren(...facts(form));
    this.trouble.hidden = !this.spans.inOrder.some((span) => this.spans.isTrouble(span));
    document.title = `${form.status === "error" ? "✕ " : ""}${form.name} · ${form.id.slice(0, 8)}`;
  }

  counts(form) {
    const tally = { nodes: 0, retries: 0, errors: 0, warnings: 0, tokens: 0, cost: 0 };
    for (const span of this.spans.inOrder) {
      tally.nodes += span.kind === "node";
      tally.retries += span.kind === "exec" && (span.attributes?.attempt ?? 1) > 1;
      tally.errors += span.status === "error" && this.spans.isTrouble(span) && !span.attributes?.recovered;
      tally.warnings += span.attributes?.warnings?.length ?? 0;
      tally.tokens += total(span.generation?.usage);
      tally.cost += total(span.generation?.cost);
    }
    return [
      count(tally.nodes, "node"),
      count(form.span_count || this.spans.inOrder.length, "span"),
      tally.retries && count(tally.retries, "retry", "recovered"),
      tally.errors && count(tally.errors, "error", "error"),
      tally.warnings && count(tally.warnings, "warning", "warning"),
      tally.tokens && count(tally.tokens, "token"),
      tally.cost && element("span", { class: "count" }, dollars(tally.cost)),
      (!form.complete || form.dropped_spans > 0) && form.status !== "unset" && element("span", { class: "count count-warning", title: "Some spans were lost or never saw their end" }, icon("warning"), form.dropped_spans ? `${counted(form.dropped_spans, "span")} lost` : "incomplete"),
    ].filter(Boolean);
  }

  toggleTrouble(only = !this.search.onlyTrouble) {
    this.trouble.setAttribute("aria-pressed", String(only));
    this.search.trouble(only);
  }

  showMatches(search) {
    if (!search.matches) this.found.replaceChildren();
    else this.found.replaceChildren(search.isSearching ? "searching…" : counted(search.matches.size, "step"));
  }

  clearSearch() {
    this.field.value = "";
    this.search.clear();
    this.toggleTrouble(false);
  }
}

/** How long the run took; of one whose process died it is known only how long it was seen. */
function lasted(form) {
  if (form.duration_ns !== null) return duration(form.duration_ns);
  return form.status === "unset" ? `running for ${duration(form.reach_ns)}` : `at least ${duration(form.reach_ns)}`;
}

function count(number, noun, style = "") {
  return element("span", { class: `count${style ? ` count-${style}` : ""}` }, style ? icon(style) : null, counted(number, noun));
}

function facts(form) {
  const named = {
    session: form.session_id,
    user: form.user_id,
    environment: form.environment === "default" ? null : form.environment,
    release: form.release,
    variant: form.variant,
    project: form.project,
  };
  const shown = Object.entries(named).filter(([, value]) => value);
  const scores = (form.scores ?? []).map((score) => [`score ${score.name ?? ""}`, score.value]);
  return [
    element("span", { class: "fact" }, element("code", {}, form.id.slice(0, 8)), copyButton("Copy the id of this trace", () => form.id)),
    element("span", { class: "fact" }, element("time", {}, moment(form.started_ms))),
    ...[...shown, ...scores].map(([label, value]) => element("span", { class: "fact" }, element("span", { class: "label" }, label), appendVisible(element("span", {}), clip(String(value), 60)))),
    ...form.tags.map((tag) => appendVisible(element("span", { class: "tag" }), clip(String(tag), 40))),
  ];
}
