// Figures over time: how often flows ran, how they went, how long they took and what they cost.

import { element } from "/view/dom.js";
import { dollars } from "/view/spans.js";
import { counted, duration, moment, visible } from "/view/text.js";
import { follow, get } from "./api.js";
import { fill } from "./dom.js";
import { listAddress } from "./filters.js";
import { count, percent, short, shortDuration } from "./format.js";
import { figure } from "./plot.js";
import { emptyStore, showTrouble } from "./states.js";

const MINUTE = 60e3;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const PERIODS = {
  "1h": ["Last hour", HOUR, MINUTE],
  "24h": ["Last 24 hours", DAY, 30 * MINUTE],
  "7d": ["Last 7 days", 7 * DAY, 3 * HOUR],
  "30d": ["Last 30 days", 30 * DAY, 12 * HOUR],
  "90d": ["Last 90 days", 90 * DAY, DAY],
};
const REFRESH_MS = 2000;

export function showMetrics(view, setLive) {
  document.title = "Metrics · pocketflow-tracing";
  const metrics = new Metrics(view);
  window.addEventListener("popstate", () => metrics.goTo());
  metrics.goTo();
  let waiting = null;
  follow("/api/changes", {
    changed: () => {
      waiting ??= setTimeout(() => {
        waiting = null;
        metrics.load();
      }, REFRESH_MS);
    },
  }, setLive);
}

class Metrics {
  constructor(view) {
    this.flow = element("select", { name: "name", on: { change: () => this.change() } });
    this.period = element("select", { name: "period", on: { change: () => this.change() } },
      Object.entries(PERIODS).map(([key, [name]]) => element("option", { value: key }, name)));
    this.trouble = element("div", { class: "trouble", role: "alert" });
    this.content = element("div", { class: "metrics" });
    fill(view, element("h1", { class: "sr-only" }, "Metrics"),
      element("form", { class: "filters", "aria-label": "What to show", on: { submit: (event) => event.preventDefault() } },
        element("label", { class: "field" }, element("span", { class: "caption" }, "Flow"), this.flow),
        element("label", { class: "field" }, element("span", { class: "caption" }, "Time"), this.period)),
      this.trouble, this.content);
  }

  goTo() {
    const parameters = new URLSearchParams(location.search);
    this.name = parameters.get("name") ?? "";
    this.since = parameters.get("since") in PERIODS ? parameters.get("since") : "24h";
    this.load();
  }

  change() {
    const parameters = new URLSearchParams({ since: this.period.value });
    if (this.flow.value) parameters.set("name", this.flow.value);
    history.pushState(null, "", `/metrics?${parameters}`);
    this.goTo();
  }

  async load() {
    const [, length, bucket] = PERIODS[this.since];
    // Spans of time begin at whole multiples of their length, so that they stay the same while time goes on.
    const last = Math.floor(Date.now() / bucket) * bucket;
    const first = last - length + bucket;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const answer = await get("/api/metrics", { name: this.name, since_ms: first, bucket_ms: bucket });
      const { name: names } = await get("/api/choices");
      if (turn !== this.turn) return;
      this.offer(names);
      this.show(answer, first, last, bucket);
      showTrouble(this.trouble, null);
    } catch (failure) {
      showTrouble(this.trouble, failure, () => this.load());
    }
  }

  offer(names) {
    const known = this.name && !names.includes(this.name) ? [this.name, ...names] : names;
    const wanted = JSON.stringify(known);
    if (this.offered !== wanted) fill(this.flow, element("option", { value: "" }, "All flows"), known.map((name) => element("option", { value: name }, visible(name))));
    this.offered = wanted;
    this.flow.value = this.name;
    this.period.value = this.since;
  }

  show({ flows, buckets, total, store }, first, last, bucket) {
    if (!total.runs) {
      const nothing = this.offered === "[]" ? emptyStore(store) : [element("p", {}, "Nothing ran in this time.")];
      fill(this.content, element("div", { class: "empty" }, nothing));
      return;
    }
    const starts = Array.from({ length: Math.round((last - first) / bucket) + 1 }, (_, index) => first + index * bucket);
    const byStart = new Map(buckets.map((one) => [one.start_ms, one]));
    const each = starts.map((start) => byStart.get(start));
    const link = (start) => listAddress({ name: this.name, from: start, to: start + bucket });
    const plots = FIGURES.map((make) => make(each, total)).filter(Boolean);
    const figures = plots.map((plot) => figure(plot, starts, {
      pointed: (index) => figures.forEach((one) => one.point(index)),
      chosen: (index) => {
        if (index !== null && each[index]) location.assign(link(starts[index]));
      },
    }));
    const table = asTable(starts, each, link);
    table.open = this.content.querySelector(".as-table")?.open ?? false;
    fill(this.content, tiles(total), element("div", { class: "figures" }, figures.map((one) => one.element)),
      this.name ? null : perFlow(flows, this.since), table);
  }
}

const sum = (statuses, names) => names.reduce((all, name) => all + (statuses[name] ?? 0), 0);
const of = (each, value) => each.map((one) => (one ? value(one) : null));

const FIGURES = [
  (each, total) => ({
    title: "Runs", total: count(total.runs), kind: "bars", says: short,
    series: [
      { name: "ok", look: "ok", values: of(each, (one) => one.statuses.ok ?? 0) },
      { name: "failed", look: "error", values: of(each, (one) => one.statuses.error ?? 0) },
      { name: "other", look: "other", values: of(each, (one) => sum(one.statuses, ["running", "interrupted", "cancelled"])) },
    ],
  }),
  (each, total) => ({
    title: "Success rate", total: percent(total.success_rate), kind: "lines", says: percent, axis: percent, most: 1,
    series: [{ name: "success", look: "ok", values: of(each, (one) => one.success_rate) }],
  }),
  (each, total) => ({
    title: "Duration, p50 and p95", total: `${duration(total.p50_ns)} / ${duration(total.p95_ns)}`, kind: "lines", says: duration, axis: shortDuration,
    series: [
      { name: "p95", look: "second", values: of(each, (one) => one.p95_ns) },
      { name: "p50", look: "first", values: of(each, (one) => one.p50_ns) },
    ],
  }),
  (each, total) => ({
    title: "Retries", total: count(total.retries) || "0", kind: "bars", says: short,
    series: [{ name: "retries", look: "retry", values: of(each, (one) => one.retries) }],
  }),
  (each, total) => ({
    title: "Tokens", total: count(total.tokens) || "0", kind: "bars", says: short,
    series: [{ name: "tokens", look: "first", values: of(each, (one) => one.tokens) }],
  }),
  (each, total) => ({
    title: "Cost", total: total.cost ? dollars(total.cost) : "$0", kind: "bars", says: (amount) => (amount ? dollars(amount) : "$0"), axis: (amount) => `$${short(amount)}`,
    series: [{ name: "cost", look: "first", values: of(each, (one) => one.cost) }],
  }),
];

function tiles(total) {
  const shown = [
    ["Runs", count(total.runs)], ["Success rate", percent(total.success_rate) || "–"], ["p50", duration(total.p50_ns) || "–"],
    ["p95", duration(total.p95_ns) || "–"], ["Errors", count(total.errors) || "0"], ["Tokens", count(total.tokens) || "0"], ["Cost", total.cost ? dollars(total.cost) : "$0"],
  ];
  return element("dl", { class: "tiles" }, shown.map(([name, value]) => element("div", { class: "tile" }, element("dt", {}, name), element("dd", {}, value))));
}

function perFlow(flows, since) {
  const number = (text, look = "") => element("td", { class: `number ${look}` }, text);
  return element("section", { class: "per-flow" }, element("h2", {}, "By flow"),
    element("div", { class: "scrolls", role: "region", "aria-label": "By flow", tabindex: "0" }, element("table", { class: "list" },
      element("thead", {}, element("tr", {}, ["Flow", "Runs", "Success", "p50", "p95", "Retries", "Errors", "Tokens", "Cost"].map((name, index) =>
        element("th", { scope: "col", class: index ? "number" : "flow" }, name)))),
      element("tbody", {}, flows.map((flow) => element("tr", {},
        element("td", { class: "flow" }, element("a", { class: "name", href: `/metrics?${new URLSearchParams({ since, name: flow.name })}` }, visible(flow.name) || "(no name)")),
        number(count(flow.runs)), number(percent(flow.success_rate), flow.success_rate !== null && flow.success_rate < 1 ? "bad" : ""),
        number(duration(flow.p50_ns)), number(duration(flow.p95_ns)), number(count(flow.retries)), number(count(flow.errors)),
        number(count(flow.tokens)), number(flow.cost ? dollars(flow.cost) : "")))))));
}

/** The same figures in words, for those who cannot see or point at the plots. */
function asTable(starts, each, link) {
  const shown = starts.map((start, index) => [start, each[index]]).filter(([, one]) => one);
  return element("details", { class: "as-table" }, element("summary", {}, "The figures as a table"),
    element("div", { class: "scrolls", role: "region", "aria-label": "Figures over time", tabindex: "0" }, element("table", { class: "list" },
      element("thead", {}, element("tr", {}, ["From", "Runs", "Success", "p50", "p95", "Retries", "Tokens", "Cost"].map((name, index) =>
        element("th", { scope: "col", class: index ? "number" : "" }, name)))),
      element("tbody", {}, shown.reverse().map(([start, one]) => element("tr", {},
        element("td", {}, element("a", { href: link(start), title: counted(one.runs, "run") }, moment(start))),
        ...[count(one.runs), percent(one.success_rate), duration(one.p50_ns), duration(one.p95_ns), count(one.retries), count(one.tokens), one.cost ? dollars(one.cost) : ""]
          .map((text) => element("td", { class: "number" }, text))))))));
}
