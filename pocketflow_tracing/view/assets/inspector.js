// Everything about one span: how it went, what it was given, gave and changed, and what went wrong.

import { changesView } from "./changes.js";
import { copyButton } from "./copying.js";
import { button, element, icon } from "./dom.js";
import { STATES } from "./tree.js";
import { title, total, dollars } from "./spans.js";
import { appendVisible, clip, counted, duration, visible } from "./text.js";
import { asJson } from "./numbers.js";
import { valueView } from "./value.js";

const FACTS = ["visit", "item", "attempt", "max_attempts", "attempts", "action"];
const TOLD = new Set([...FACTS, "recovered", "warnings"]);
const PATIENCE_MS = 150;

export class Inspector {
  /** `act` has `select(id)` and, where there are any, `values(id)`. */
  constructor(spans, act) {
    this.spans = spans;
    this.act = act;
    this.modes = new Map(); // how the reader wants texts to be shown, by what they are
    this.element = element("section", { class: "inspector", tabindex: "0", "aria-label": "Inspector" });
  }

  show(span, form) {
    this.turn = Symbol("turn");
    if (!span) {
      this.shown = null;
      this.element.replaceChildren(element("p", { class: "inspector-empty" }, "Choose a step to see what it was given, gave and changed."));
      return;
    }
    const scrolled = this.shown === span.id ? this.element.scrollTop : 0;
    this.shown = span.id;
    const body = element("div", { class: "inspector-body" });
    this.element.replaceChildren(this.heading(span), body);
    const found = this.act.values?.(span.id) ?? {};
    if (typeof found.then !== "function") this.fill(body, span, found, form, scrolled);
    else this.await(found, body, span, form, scrolled);
  }

  async await(promised, body, span, form, scrolled) {
    const { turn } = this;
    const waiting = setTimeout(() => body.replaceChildren(element("p", { class: "loading" }, "loading…")), PATIENCE_MS);
    let found = {};
    let failure = null;
    try {
      found = await promised;
    } catch (error) {
      failure = error;
    }
    clearTimeout(waiting);
    if (turn !== this.turn) return;
    this.fill(body, span, found, form, scrolled);
    if (failure) body.prepend(element("p", { class: "loading" }, `The values cannot be had: ${failure.message}`));
  }

  heading(span) {
    const state = this.spans.state(span);
    const around = this.spans.above(span).reverse();
    const name = appendVisible(element("h2", {}), clip(span.kind === "node" ? title(span) : span.name, 200));
    return element(
      "header",
      { class: "inspector-head" },
      element("nav", { class: "crumbs", "aria-label": "What this step is part of" }, ...around.map((one) => button(visible(title(one)), () => this.act.select(one.id), { class: "crumb" }, appendVisible(element("span", {}), clip(title(one), 40))))),
      element("div", { class: "inspector-title" }, element("span", { class: `kind-badge kind-${span.kind}` }, span.kind), name, copyButton("Copy the id of this step", () => span.id)),
      element("div", { class: "inspector-state" }, element("span", { class: `badge badge-${state}` }, icon(state), STATES[state]), element("span", { class: "fact" }, span.end === undefined ? "not ended" : duration(span.end - span.start)), span.start ? element("span", { class: "fact dim" }, `began at +${duration(span.start)}`) : null, ...said(span)),
    );
  }

  fill(body, span, values, form, scrolled) {
    body.replaceChildren(
      ...[
        this.gaps(span),
        this.error(span, values),
        this.warnings(span),
        this.changes(span, values),
        this.metadata(span, form),
        this.generation(span),
        this.value("Input", "input", span, values),
        this.value("Output", "output", span, values),
        this.value("Local variables where it failed", "locals", span, values, "error.locals"),
        this.attributes(span),
        this.absent(span, values, form),
      ].filter(Boolean),
    );
    this.element.scrollTop = scrolled;
  }

  gaps(span) {
    const notes = [];
    if (span.redacted?.length) notes.push(element("p", { class: "gap gap-masked" }, icon("masked"), `${counted(span.redacted.length, "value")} masked: `, paths(span.redacted)));
    if (span.truncated?.length) notes.push(element("p", { class: "gap gap-cut" }, icon("cut"), `${counted(span.truncated.length, "value")} cut short: `, paths(span.truncated)));
    return notes.length ? element("div", { class: "gaps" }, ...notes) : null;
  }

  error(span, values) {
    const { error } = span;
    if (!error && !span.message) return null;
    const style = this.spans.state(span);
    if (!error) return section("Status", `section-error is-${style}`, appendVisible(element("p", { class: "error-message" }), span.message));
    const raised = error.raised_in && error.raised_in !== span.id && this.spans.byId.get(error.raised_in);
    const heading = element("p", { class: "error-message" }, appendVisible(element("strong", {}), error.type), error.message ? ": " : "", appendVisible(element("span", {}), error.message ?? ""));
    const further = [...(error.notes ?? []), ...(error.causes ?? []).map((cause) => `from ${cause}`)];
    const trace = values.stacktrace;
    return section(
      style === "recovered" ? "Failed and recovered" : "Error",
      `section-error is-${style}`,
      heading,
      ...further.map((text) => appendVisible(element("p", { class: "error-note" }), text)),
      raised && button("To where it was raised", () => this.act.select(raised.id), { class: "link" }, `raised in ${visible(clip(raised.name, 60))} →`),
      trace && element("div", { class: "stack" }, copyButton("Copy the stack trace", () => trace), stack(trace)),
    );
  }

  warnings(span) {
    const texts = span.attributes?.warnings;
    if (!texts?.length) return null;
    return section("Warnings", "section-warning", ...texts.flatMap((text) => [appendVisible(element("p", { class: "error-message" }), String(text)), this.advice(span, String(text))]));
  }

  advice(span, warning) {
    const action = /^Flow ends: '(.*)' not found in /s.exec(warning)?.[1];
    if (action === undefined) return null;
    const last = this.spans.children(span).findLast((child) => String(child.attributes?.action ?? "None") === action);
    if (!last) return null;
    const name = title(last).split("#")[0].replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_").toLowerCase();
    const wire = action === "None" ? `${name} >> next_node` : `${name} - "${action}" >> next_node`;
    return element("p", { class: "error-note" }, `${visible(title(last))} returned ${action === "None" ? "nothing" : `"${visible(action)}"`}, which leads nowhere. Wire it: `, appendVisible(element("code", {}), wire));
  }

  changes(span, values) {
    if (!values.changes) return null;
    return section("Changes in the store", "section-changes", changesView(values.changes));
  }

  generation(span) {
    const { generation } = span;
    if (!generation) return null;
    const usage = Object.entries(generation.usage ?? {}).map(([kind, count]) => `${kind} ${count.toLocaleString("en")}`).join(" · ");
    const cost = total(generation.cost);
    const named = { model: generation.model, tokens: usage, cost: cost ? dollars(cost) : null, ...generation.parameters };
    const shown = Object.entries(named).filter(([, value]) => value !== null && value !== undefined && value !== "");
    return section("Model call", "", element("dl", { class: "facts-list" }, ...shown.flatMap(([name, value]) => [element("dt", {}, visible(name)), appendVisible(element("dd", {}), typeof value === "string" ? value : JSON.stringify(value))])));
  }

  value(label, name, span, values, path = name) {
    if (!(name in values)) return null;
    const value = values[name];
    const { only, shown, at } = unwrapped(value, path);
    const view = valueView(shown, { path: at, redacted: span.redacted ?? [], truncated: span.truncated ?? [], modes: this.modes, kind: `${span.kind} ${name}` });
    return section(only ? `${label} · ${only}` : label, "section-value", view.element, [view.tools, copyButton(`Copy: ${label}`, () => (typeof shown === "string" ? shown : asJson(shown)))]);
  }

  attributes(span) {
    const own = Object.entries(span.attributes ?? {}).filter(([name]) => !TOLD.has(name));
    if (!own.length) return null;
    const view = valueView(Object.fromEntries(own), { path: "attributes", redacted: span.redacted ?? [], truncated: span.truncated ?? [], modes: this.modes, kind: "attributes" });
    return section("Attributes", "section-value", view.element, [view.tools]);
  }

  /** What the trace as a whole was given stands at the step that everything else is part of. */
  metadata(span, form) {
    if (this.spans.parent(span) || !Object.keys(form.metadata ?? {}).length) return null;
    const view = valueView(form.metadata, { path: "metadata", redacted: [], truncated: [], modes: this.modes, kind: "metadata" });
    return section("Metadata of the trace", "section-value", view.element, [view.tools, copyButton("Copy: Metadata of the trace", () => asJson(form.metadata))]);
  }

  absent(span, values, form) {
    if (span.holds?.some((name) => !(name in values))) {
      return element("p", { class: "absent" }, "Its values are not in this page. ", element("code", {}, `pocketflow-tracing view ${form.id.slice(0, 8)}`), " shows them.");
    }
    return span.holds?.length || span.error ? null : element("p", { class: "absent" }, "No values were kept of this step.");
  }
}

function section(label, className, ...content) {
  const tools = Array.isArray(content.at(-1)) ? content.pop() : [];
  return element("section", { class: `section ${className}`.trim() }, element("div", { class: "section-head" }, element("h3", {}, label), element("span", { class: "section-tools" }, ...tools)), ...content);
}

/** The attributes that every reader asks for, as words. */
function said(span) {
  const given = span.attributes ?? {};
  const words = [];
  if (given.visit) words.push(`visit ${given.visit}`);
  if (given.item !== undefined) words.push(`item ${given.item}`);
  if (given.attempt) words.push(given.max_attempts > 1 ? `attempt ${given.attempt} of ${given.max_attempts}` : `attempt ${given.attempt}`);
  if (given.attempts > 1) words.push(counted(given.attempts, "attempt"));
  if (given.action !== null && given.action !== undefined) words.push(`→ ${clip(String(given.action), 60)}`);
  return words.map((word) => appendVisible(element("span", { class: "fact" }), word));
}

/** What a phase was given stands under one name; the value itself is what is to be read. */
function unwrapped(value, path) {
  const names = value && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : [];
  if (names.length === 1 && ["prep_res", "shared", "result"].includes(names[0])) return { only: names[0], shown: value[names[0]], at: `${path}.${names[0]}` };
  return { only: null, shown: value, at: path };
}

function paths(list) {
  const shown = list.slice(0, 4).map((path) => clip(visible(path), 60)).join(", ");
  return element("code", {}, list.length > 4 ? `${shown} and ${list.length - 4} more` : shown);
}

/** A stack trace with the places made plain. */
function stack(text) {
  const block = element("pre", { class: "stack-text", tabindex: "0" });
  for (const line of text.split("\n")) {
    const isPlace = /^\s*File "/.test(line);
    block.append(appendVisible(element("span", { class: isPlace ? "stack-place" : "stack-line" }), line), "\n");
  }
  return block;
}
