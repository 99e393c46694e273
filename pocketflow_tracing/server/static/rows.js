// One trace as a row of the list.

import { element, icon } from "/view/dom.js";
import { dollars } from "/view/spans.js";
import { counted, duration, moment, visible } from "/view/text.js";
import { listAddress } from "./filters.js";
import { ago, count, statusName, when } from "./format.js";

const COLUMNS = [
  ["Compare", "pick"], ["Flow", "flow"], ["Started", "started"], ["Duration", "number"], ["Nodes", "number"], ["Retries", "number"],
  ["Errors", "number"], ["Tokens", "number"], ["Cost", "number"], ["Session", "who"], ["User", "who"], ["Tags", "tags"],
];

export function header() {
  return element("thead", {}, element("tr", {}, COLUMNS.map(([name, kind]) =>
    element("th", { scope: "col", class: kind }, kind === "pick" ? element("span", { class: "sr-only" }, name) : name))));
}

/** The row of `trace`; links in it narrow `filters`, `pick` is told when its box is ticked. */
export function row(trace, { filters, isPicked, isNew, pick }) {
  const only = (name, value, look) => value && element("a", {
    class: look, href: listAddress({ ...filters, [name]: value }), title: `Only ${name} ${visible(value)}`, "data-part": `${name} ${value}`,
  }, visible(value));
  const started = moment(trace.started_ms);
  return element("tr", { class: `is-${trace.status}${isNew ? " is-new" : ""}` },
    element("td", { class: "pick" }, element("input", {
      type: "checkbox", checked: isPicked, "aria-label": `Compare ${visible(trace.name)}, ${started}`, "data-part": "pick",
      on: { change: (event) => pick(trace.id, event.target.checked) },
    })),
    element("td", { class: "flow" },
      element("span", { class: `state state-${trace.status}`, title: statusName(trace.status) }, icon(trace.status),
        element("span", { class: "sr-only" }, statusName(trace.status))),
      element("a", { class: "name", href: `/traces/${encodeURIComponent(trace.id)}`, "data-part": "name" }, visible(trace.name) || "(no name)"),
      badges(trace)),
    element("td", { class: "started" }, element("time", {
      datetime: new Date(trace.started_ms).toISOString(), title: `${started}, ${ago(trace.started_ms)}`,
    }, when(trace.started_ms))),
    element("td", { class: "number", "data-since": isRunning(trace) ? trace.started_ms : null }, taken(trace)),
    element("td", { class: "number" }, count(trace.nodes)),
    element("td", { class: "number" }, count(trace.retries)),
    element("td", { class: `number${trace.errors ? " bad" : ""}` }, count(trace.errors)),
    element("td", { class: "number" }, count(trace.tokens)),
    element("td", { class: "number" }, trace.cost ? dollars(trace.cost) : ""),
    element("td", { class: "who" }, only("session", trace.session, "quiet")),
    element("td", { class: "who" }, only("user", trace.user, "quiet")),
    element("td", { class: "tags" }, trace.tags.map((tag) => only("tag", tag, "tag"))));
}

function badges(trace) {
  const warned = trace.warnings && element("span", { class: "badge badge-warning", title: counted(trace.warnings, "warning") },
    icon("warning"), element("span", { class: "sr-only" }, counted(trace.warnings, "warning")));
  const lost = trace.dropped ? `${counted(trace.dropped, "span")} lost` : "A part of it was lost";
  const incomplete = !trace.complete && trace.status !== "interrupted" && element("span", { class: "badge", title: lost }, "incomplete");
  return [warned || null, incomplete || null];
}

function isRunning(trace) {
  return trace.duration_ns === null && trace.status === "unset";
}

function taken(trace) {
  return isRunning(trace) ? duration(Math.max(0, Date.now() - trace.started_ms) * 1e6) : duration(trace.duration_ns);
}

/** Let the durations of running traces go on. */
export function tick(body) {
  for (const cell of body.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.round((Date.now() - Number(cell.dataset.since)) / 1000));
    cell.textContent = seconds < 1 ? "…" : duration(seconds * 1e9);
  }
}
