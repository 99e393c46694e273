// Two traces side by side: their steps, how long each took, and what differs.

import { button, element, icon } from "/view/dom.js";
import { dollars } from "/view/spans.js";
import { appendVisible, clip, counted, duration, moment, visible } from "/view/text.js";
import { get } from "./api.js";
import { fill } from "./dom.js";
import { count, statusName } from "./format.js";
import { showTrouble } from "./states.js";

const MAX_VALUE = 400;
const AT_ONCE = 1000;
const PLAIN = new Set(["node", "iteration"]);

export async function showCompare(view) {
  document.title = "Compare · pocketflow-tracing";
  const trouble = element("div", { class: "trouble", role: "alert" });
  const place = element("div", { class: "comparison" }, element("p", { class: "wait" }, "Comparing…"));
  fill(view, element("h1", { class: "page-title" }, "Compare two runs"), trouble, place);
  const parameters = new URLSearchParams(location.search);
  if (!parameters.get("a") && !parameters.get("b")) {
    fill(place, element("div", { class: "empty" }, element("p", {}, "Tick two traces in the list to see what differs between them."),
      element("a", { class: "button", href: "/" }, "All traces")));
    return;
  }
  try {
    show(place, await get("/api/compare", { a: parameters.get("a"), b: parameters.get("b") }));
  } catch (failure) {
    fill(place, element("div", { class: "empty" }, element("a", { class: "button", href: "/" }, "All traces")));
    showTrouble(trouble, failure);
  }
}

function show(place, comparison) {
  const { a, b, steps, differing } = comparison;
  history.replaceState(null, "", `/compare?a=${a.id}&b=${b.id}`);
  const longest = Math.max(1, ...steps.flatMap((step) => [step.a?.duration_ns ?? 0, step.b?.duration_ns ?? 0]));
  const body = element("tbody");
  const more = element("nav", { class: "pages", "aria-label": "More steps" });
  let onlyDiffering = differing > 0 && steps.length > 12;
  let shown = AT_ONCE;

  function list() {
    const wanted = onlyDiffering ? steps.filter((step) => step.differs) : steps;
    fill(body, wanted.slice(0, shown).flatMap((step) => rows(step, comparison, longest)));
    fill(more, wanted.length > shown && button(`Show more of ${counted(wanted.length, "step")}`, () => {
      shown += AT_ONCE;
      list();
    }, { class: "button" }));
  }

  const only = element("input", { type: "checkbox", checked: onlyDiffering, on: { change: () => {
    onlyDiffering = only.checked;
    list();
  } } });
  fill(place,
    element("div", { class: "sides" }, side("A", a, b), element("a", { class: "button swap", href: `/compare?a=${b.id}&b=${a.id}`, title: "Swap the two" }, "⇄", element("span", { class: "sr-only" }, "Swap the two")), side("B", b, a)),
    element("div", { class: "compare-head" },
      element("span", { class: differing ? "differing" : "same" }, differing ? `${counted(differing, "step")} of ${count(steps.length)} ${differing === 1 ? "differs" : "differ"}` : "No difference but in the durations"),
      differing ? element("label", { class: "button" }, only, "Only what differs") : null),
    element("div", { class: "scrolls", role: "region", "aria-label": "Steps of both", tabindex: "0" }, element("table", { class: "list compared" },
      element("thead", {}, element("tr", {}, [["Step", "flow"], ["A", "number"], ["B", "number"], ["B / A", "number"], ["", "lengths"]].map(([name, look]) =>
        element("th", { scope: "col", class: look }, name || element("span", { class: "sr-only" }, "Durations"))))), body)), more);
  list();
}

function side(letter, trace, other) {
  const facts = [
    [duration(trace.duration_ns) || "running", trace.duration_ns, other.duration_ns],
    [counted(trace.nodes, "node"), trace.nodes, other.nodes],
    trace.retries || other.retries ? [trace.retries === 1 ? "1 retry" : `${trace.retries} retries`, trace.retries, other.retries] : null,
    trace.errors || other.errors ? [counted(trace.errors, "error"), trace.errors, other.errors] : null,
    trace.tokens || other.tokens ? [counted(trace.tokens, "token"), trace.tokens, other.tokens] : null,
    trace.cost || other.cost ? [trace.cost ? dollars(trace.cost) : "$0", trace.cost, other.cost] : null,
  ].filter(Boolean);
  return element("section", { class: "side", "aria-label": `Trace ${letter}` },
    element("span", { class: "side-letter", "aria-hidden": "true" }, letter),
    element("div", { class: "side-told" },
      element("div", { class: "side-name" }, state(trace.status), element("a", { class: "name", href: `/traces/${trace.id}` }, visible(clip(trace.name, 120)) || "(no name)")),
      element("div", { class: "dim" }, `${trace.id.slice(0, 8)} · ${moment(trace.start_ns / 1e6)}`),
      element("div", { class: "side-facts" }, facts.map(([text, mine, theirs]) => element("span", { class: mine === theirs ? "dim" : "" }, text)))));
}

function state(status) {
  return element("span", { class: `state state-${status}`, title: statusName(status) }, icon(status), element("span", { class: "sr-only" }, statusName(status)));
}

function rows(step, { a, b }, longest) {
  const told = element("tr", { class: `step${step.differs ? " differs" : ""}` },
    element("td", { class: "flow" }, element("span", { class: "step-name", style: { "padding-left": `${Math.min(step.depth, 20) * 18}px` } },
      PLAIN.has(step.kind) ? null : element("span", { class: "dim" }, `${step.kind} `), visible(clip(step.label, 120)))),
    at(step.a, a.id), at(step.b, b.id), element("td", { class: "number dim" }, ratio(step)),
    element("td", { class: "lengths" }, bar(step.a, "a", longest), bar(step.b, "b", longest)));
  if (!step.differences.length) return [told];
  return [told, element("tr", { class: "differences" }, element("td", { colspan: "5" },
    element("dl", { style: { "padding-left": `${Math.min(step.depth, 20) * 18 + 18}px` } }, step.differences.map(difference)))) ];
}

/** How one side of a step ended and how long it took, as a link to it. */
function at(span, id) {
  if (!span) return element("td", { class: "number absent" }, "not there");
  return element("td", { class: "number" }, state(span.status),
    element("a", { class: "quiet", href: `/traces/${id}#${span.span_id}` }, duration(span.duration_ns) || "running"));
}

function ratio({ a, b }) {
  return a?.duration_ns && b?.duration_ns ? `${(b.duration_ns / a.duration_ns).toFixed(2)}×` : "";
}

function bar(span, letter, longest) {
  const share = span?.duration_ns ? span.duration_ns / longest : 0;
  return element("span", { class: `length length-${letter}`, style: { width: `${Math.max(share * 100, share ? 0.5 : 0)}%` } });
}

function difference({ what, a, b }) {
  return element("div", { class: "difference" }, element("dt", {}, visible(clip(what, 120))),
    element("dd", {}, value(a, "a"), element("span", { class: "becomes", "aria-label": "in A,", role: "img" }, "→"), value(b, "b"), element("span", { class: "sr-only" }, "in B")));
}

/** A value in short; all of it when it is asked for. */
function value(given, letter) {
  if (given === null) return element("span", { class: `given given-${letter} dim` }, "–");
  const text = typeof given === "string" ? given : JSON.stringify(given);
  if (text.length <= MAX_VALUE) return appendVisible(element("span", { class: `given given-${letter}` }), text);
  const made = appendVisible(element("span", { class: `given given-${letter}` }), clip(text, MAX_VALUE));
  made.append(button("show all of it", () => made.replaceChildren(...appendVisible(element("span"), text).childNodes), { class: "more" }));
  return made;
}
