// The filters of the list of traces. They live in the address, so that a list can be kept as a link.

import { element } from "/view/dom.js";
import { moment, visible } from "/view/text.js";
import { get } from "./api.js";

const HOUR = 3600 * 1000;
const AGES = { "1h": HOUR, "24h": 24 * HOUR, "7d": 7 * 24 * HOUR, "30d": 30 * 24 * HOUR };
const AGE_NAMES = [["", "Any time"], ["1h", "Last hour"], ["24h", "Last 24 hours"], ["7d", "Last 7 days"], ["30d", "Last 30 days"]];
const STATUSES = [
  ["", "Any status"], ["ok", "ok"], ["error", "error"], ["unset", "running"], ["interrupted", "interrupted"], ["cancelled", "cancelled"],
];
const TEXTS = [["session", "Session"], ["user", "User"], ["tag", "Tag"], ["project", "Project"]];
const CHOSEN = ["name", ...TEXTS.map(([name]) => name)];
const MAX_CHOICES = 300;
const NAMES = ["text", "name", "status", "since", ...TEXTS.map(([name]) => name), "from", "to"];

// The filters that the address names.
export function filtersOf(search = location.search) {
  const parameters = new URLSearchParams(search);
  const filters = {};
  for (const name of NAMES) {
    const value = parameters.get(name);
    if (value) filters[name] = value;
  }
  return filters;
}

// The address of the list with these filters.
export function listAddress(filters, page = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filters, ...page })) {
    if (value !== undefined && value !== null && value !== "") parameters.set(name, value);
  }
  const query = parameters.toString();
  return query ? `/?${query}` : "/";
}

// What the server is asked for them.
export function asked(filters, now = Date.now()) {
  const { since, from, to, ...others } = filters;
  const age = AGES[since];
  return { ...others, since_ms: from || (age ? Math.floor(now - age) : undefined), until_ms: to };
}

// The bar above the list; `changed` is told the filters whenever somebody changed them.
export function filterBar(filters, changed) {
  const form = element("form", { class: "filters", role: "search", "aria-label": "Filter the traces" });

  function field(name, label, type = "text") {
    return element("label", { class: `field field-${name}` }, element("span", { class: "caption" }, label), element("input", {
      type, name, value: filters[name] || "", autocomplete: "off", spellcheck: "false",
    }));
  }

  function choice(name, label, options) {
    return element("label", { class: `field field-${name}` }, element("span", { class: "caption" }, label), element("select", { name },
      options.map(([value, text]) => element("option", { value, selected: (filters[name] || "") === value }, text))));
  }

  // What there is to choose from is asked for when somebody is about to choose.
  form.addEventListener("focusin", (event) => offer(event.target));

  async function offer(input) {
    if (!CHOSEN.includes(input.name) || input.hasAttribute("list")) return;
    input.setAttribute("list", `choices-${input.name}`);
    const choices = await get("/api/choices").catch(() => ({}));
    input.after(element("datalist", { id: `choices-${input.name}` },
      (choices[input.name] ?? []).slice(0, MAX_CHOICES).map((value) => element("option", { value }))));
  }

  const search = field("text", "Search", "search");
  search.querySelector("input").placeholder = "Search names, values, errors…";
  const name = field("name", "Flow");
  name.querySelector("input").placeholder = "Any, * as wildcard";
  const more = element("details", { class: "more-filters" },
    element("summary", {}, "More filters"), element("div", { class: "more-fields" }, TEXTS.map(([key, label]) => field(key, label))));
  form.append(search, name, choice("status", "Status", STATUSES), choice("since", "Started", AGE_NAMES), more);

  function read() {
    const chosen = {};
    for (const [key, value] of new FormData(form)) if (value.trim()) chosen[key] = value.trim();
    // A new age replaces an exact span of time.
    if (!chosen.since) for (const key of ["from", "to"]) if (filters[key]) chosen[key] = filters[key];
    return chosen;
  }

  let waiting = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    const typed = event.target.tagName === "INPUT";
    waiting = setTimeout(() => changed(read()), typed ? 250 : 0);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    changed(read());
  });
  return form;
}

// One chip for each filter that is on, which takes it off.
export function chips(filters, changed) {
  const shown = Object.entries(filters).map(([name, value]) => {
    const without = { ...filters };
    delete without[name];
    const text = said(name, value);
    return element("button", {
      type: "button", class: "chip", title: `Take away: ${text}`, "aria-label": `Take the filter away: ${text}`,
      on: { click: () => changed(without) },
    }, element("span", { class: "chip-text" }, text), element("span", { "aria-hidden": "true" }, "×"));
  });
  if (shown.length > 1) {
    shown.push(element("button", { type: "button", class: "chip chip-all", on: { click: () => changed({}) } }, "Clear all"));
  }
  return shown;
}

function said(name, value) {
  if (name === "from" || name === "to") return `${name} ${moment(Number(value))}`;
  const options = { status: STATUSES, since: AGE_NAMES }[name];
  const known = options?.find(([option]) => option === value);
  return name === "since" ? (known?.[1] || value).toLowerCase() : `${name}: ${known?.[1] || visible(value)}`;
}
