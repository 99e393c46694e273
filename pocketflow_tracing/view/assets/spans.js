// The spans of a trace by id, parent and order, and what one of them is called.

import { clip, counted } from "./text.js";

const PHASES = new Set(["prep", "exec", "fallback", "post"]);

/** Spans as a tree that can grow: a span whose parent is not known (yet) stands at the top. */
export class Spans {
  constructor() {
    this.byId = new Map();
    this.inOrder = [];
    this.tops = [];
    this.beneath = new Map();
    this.attempts = new Map();
    this.fellBack = new Set();
    this.runs = new Map(); // the spans that ran a node of the graph, by its id
  }

  /** Add new spans, and put changed ones in the place of what was known of them. */
  merge(forms) {
    for (const form of forms) this.byId.set(form.id, form);
    this.inOrder = [...this.byId.values()].sort((one, other) => one.start - other.start);
    this.tops = [];
    this.beneath.clear();
    this.attempts.clear();
    this.fellBack.clear();
    this.runs.clear();
    for (const span of this.inOrder) this.place(span);
  }

  place(span) {
    if (span.parent && this.byId.has(span.parent)) listed(this.beneath, span.parent).push(span);
    else this.tops.push(span);
    if (span.place) listed(this.runs, span.place).push(span);
    if (span.kind === "exec") {
      const tries = attemptsOf(span);
      this.attempts.set(tries, Math.max(this.attempts.get(tries) ?? 0, span.attributes?.attempt ?? 1));
    }
    if (span.kind === "fallback") this.fellBack.add(attemptsOf(span));
  }

  children(span) {
    return this.beneath.get(span.id) ?? [];
  }

  parent(span) {
    return this.byId.get(span.parent);
  }

  /** The spans around `span`, the innermost first. */
  above(span) {
    const found = [];
    for (let parent = this.parent(span); parent; parent = this.parent(parent)) found.push(parent);
    return found;
  }

  /** The span itself or the nearest around it that ran a node of the graph. */
  run(span) {
    return [span, ...this.above(span)].find((one) => one.place);
  }

  /** Whether another attempt followed this one at the same item. */
  triedAgain(span) {
    return (this.attempts.get(attemptsOf(span)) ?? 0) > (span.attributes?.attempt ?? 1);
  }

  /** How the program got over an attempt that failed, "" where that is not known. */
  recovery(span) {
    if (this.triedAgain(span)) return "retried";
    if (this.fellBack.has(attemptsOf(span))) return "caught by the fallback";
    // Of a process that was killed early in the next attempt, there is none.
    const isLeft = (span.attributes?.max_attempts ?? 1) > (span.attributes?.attempt ?? 1);
    return isLeft && this.parent(span)?.end === undefined ? "retried" : "";
  }

  /** What a span ended as, for the eye: `recovered` is an error that the program got over. */
  state(span) {
    return span.attributes?.recovered ? "recovered" : span.status;
  }

  /** Whether something went wrong in this very span, recovered or not. */
  isTrouble(span) {
    if (span.attributes?.warnings?.length) return true;
    const raisedHere = !span.error?.raised_in || !this.byId.has(span.error.raised_in) || span.error.raised_in === span.id;
    return (span.status === "error" && raisedHere) || span.status === "interrupted";
  }

  /** A phase that went well, with nothing beneath it: its node tells as much. */
  isQuiet(span) {
    return PHASES.has(span.kind) && span.kind !== "fallback" && span.status === "ok"
      && !this.beneath.has(span.id) && (span.attributes?.attempt ?? 1) === 1;
  }
}

function listed(map, key) {
  let list = map.get(key);
  if (!list) map.set(key, (list = []));
  return list;
}

function attemptsOf(span) {
  return `${span.parent} ${span.attributes?.item ?? ""}`;
}

/** What a span is called in the tree: short, since its place says the rest. */
export function title(span) {
  if (PHASES.has(span.kind)) return span.kind;
  if (span.kind === "iteration") return `iteration ${span.attributes?.item ?? ""}`.trim();
  if (span.kind === "node" && span.key?.includes("#")) return span.key;
  return span.name;
}

/** The small words behind the title of a span: visit, attempt, item, model, tokens, what it became. */
export function notes(span, spans) {
  const said = span.attributes ?? {};
  const told = [];
  if (span.kind === "iteration" && said.params) told.push(clip(params(said.params), 60));
  if (said.visit > 1) told.push(`visit ${said.visit}`);
  if (said.item !== undefined && span.kind !== "iteration") told.push(`item ${said.item}`);
  if (said.attempt > 1 || (said.recovered && said.attempt)) {
    told.push(said.max_attempts >= said.attempt ? `attempt ${said.attempt} of ${said.max_attempts}` : `attempt ${said.attempt}`);
  }
  if (span.kind === "node" && said.attempts > 1) told.push(counted(said.attempts, "attempt"));
  const recovery = said.recovered ? spans.recovery(span) : "";
  if (recovery) told.push(recovery);
  else if (span.status === "unset") told.push("running");
  else if (span.status === "cancelled" || span.status === "interrupted") told.push(span.status);
  if (span.generation?.model) told.push(span.generation.model);
  const tokens = total(span.generation?.usage);
  if (tokens) told.push(counted(tokens, "token"));
  const cost = total(span.generation?.cost);
  if (cost) told.push(dollars(cost));
  return told;
}

function params(values) {
  if (typeof values !== "object" || Array.isArray(values)) return String(JSON.stringify(values));
  return Object.entries(values).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
}

/** The sum of what was counted by kind; a total that was given counts as such. */
export function total(byKind) {
  if (!byKind) return 0;
  return byKind.total ?? Object.values(byKind).reduce((sum, amount) => sum + amount, 0);
}

/** An amount of money that may be very small. */
export function dollars(amount) {
  return `$${amount < 0.01 ? amount.toPrecision(2) : amount.toFixed(amount < 1 ? 4 : 2)}`;
}
