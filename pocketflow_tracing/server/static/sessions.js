// Sessions: the traces of one conversation or job together.

import { element } from "/view/dom.js";
import { dollars } from "/view/spans.js";
import { duration, moment, visible } from "/view/text.js";
import { follow, get } from "./api.js";
import { fill, keep } from "./dom.js";
import { listAddress } from "./filters.js";
import { ago, count, percent, stretch, when } from "./format.js";
import { emptyStore, showTrouble } from "./states.js";

const COLUMNS = [
  ["Session", "flow"], ["Traces", "number"], ["How they went", "mix"], ["First", "started"], ["Latest", "started"], ["Over", "number"],
  ["p50", "number"], ["Errors", "number"], ["Retries", "number"], ["Tokens", "number"], ["Cost", "number"],
];
const REFRESH_MS = 1000;

export function showSessions(view, setLive) {
  document.title = "Sessions · pocketflow-tracing";
  const trouble = element("div", { class: "trouble", role: "alert" });
  const body = element("tbody");
  const table = element("table", { class: "list", hidden: true }, element("caption", { class: "sr-only" }, "Sessions, latest first"),
    element("thead", {}, element("tr", {}, COLUMNS.map(([name, look]) => element("th", { scope: "col", class: look }, name)))), body);
  const empty = element("div", { class: "empty" });
  const more = element("nav", { class: "pages", "aria-label": "Pages of the list" });
  const offset = Math.max(0, Number(new URLSearchParams(location.search).get("offset")) || 0);
  fill(view, element("h1", { class: "page-title" }, "Sessions"), trouble,
    element("div", { class: "scrolls", role: "region", "aria-label": "Sessions", tabindex: "0" }, table), empty, more);

  async function load() {
    try {
      const answer = await get("/api/sessions", { offset });
      keep(body, answer.sessions, (session) => session.id, JSON.stringify, row);
      table.hidden = answer.sessions.length === 0;
      fill(empty, answer.sessions.length ? [] : nothing(answer.store));
      const link = (name, at, rel) => element("a", { class: "button", rel, href: at ? `/sessions?offset=${at}` : "/sessions" }, name);
      fill(more, offset ? link("← Newer", Math.max(0, offset - 50), "prev") : null, answer.more ? link("Older →", offset + 50, "next") : null);
      showTrouble(trouble, null);
    } catch (failure) {
      showTrouble(trouble, failure, load);
    }
  }

  load();
  let waiting = null;
  follow("/api/changes", {
    changed: () => {
      waiting ??= setTimeout(() => {
        waiting = null;
        load();
      }, REFRESH_MS);
    },
  }, setLive);
}

function nothing(store) {
  return [
    element("h2", {}, "No sessions yet"),
    element("p", {}, "A session holds the traces of one conversation or job. Give them the same id:"),
    element("pre", { class: "command" }, element("code", {}, 'with tracing(session_id="chat-7"):\n    flow.run(shared)')),
    store ? element("p", { class: "dim" }, "They are looked for in ", element("code", {}, store)) : null,
  ];
}

function row(session) {
  const time = (ms) => element("time", { datetime: new Date(ms).toISOString(), title: `${moment(ms)}, ${ago(ms)}` }, when(ms));
  const number = (text, look = "") => element("td", { class: `number ${look}` }, text);
  return element("tr", {},
    element("td", { class: "flow" }, element("a", { class: "name", href: listAddress({ session: session.id }), "data-part": "name" }, visible(session.id))),
    number(count(session.runs)),
    element("td", { class: "mix" }, mix(session)),
    element("td", { class: "started" }, time(session.first_ms)),
    element("td", { class: "started" }, time(session.last_ms)),
    number(stretch(session.last_ms - session.first_ms)),
    number(duration(session.p50_ns)),
    number(count(session.errors), session.errors ? "bad" : ""),
    number(count(session.retries)),
    number(count(session.tokens)),
    number(session.cost ? dollars(session.cost) : ""));
}

/** A bar with a part for each way in which traces ended, and the same in words. */
function mix({ statuses, runs, success_rate: rate }) {
  const words = Object.entries(statuses).map(([name, number]) => `${number} ${name}`).join(", ");
  const parts = ["ok", "error", "running", "interrupted", "cancelled"].filter((name) => statuses[name]);
  return element("span", { class: "mix-bar", role: "img", "aria-label": words, title: `${words}${rate === null ? "" : ` · ${percent(rate)} ok`}` },
    parts.map((name) => element("span", { class: `look-${name}`, style: { "flex-grow": String(statuses[name] / runs) } })));
}
