// Which view this page is, by its address.

import { element } from "/view/dom.js";
import { themeSwitch } from "/view/theme.js";

const LISTS = ["/static/list.css"];
const TRACE = ["/view.css"];
const VIEWS = [
  [/^\/$/, LISTS, () => import("./traces.js").then((module) => module.showTraces)],
  [/^\/traces\/(.+)$/, TRACE, () => import("./trace.js").then((module) => module.showTrace)],
  [/^\/sessions$/, LISTS, () => import("./sessions.js").then((module) => module.showSessions)],
  [/^\/metrics$/, [...LISTS, "/static/metrics.css"], () => import("./metrics.js").then((module) => module.showMetrics)],
  [/^\/compare$/, [...LISTS, "/static/compare.css"], () => import("./compare.js").then((module) => module.showCompare)],
];
const STATES = { live: "live", waiting: "no connection", paused: "paused" };

const live = document.getElementById("live");

function setLive(state) {
  live.textContent = STATES[state] ?? "";
  live.dataset.state = state;
}

/** Put a style sheet into the page; done when it counts. */
function styled(href) {
  return new Promise((done) => {
    document.head.append(element("link", { rel: "stylesheet", href, on: { load: done, error: done } }));
  });
}

for (const link of document.querySelectorAll(".topbar nav a")) {
  const path = link.getAttribute("href");
  if (location.pathname === path) link.setAttribute("aria-current", "page");
  else if (path === "/" && location.pathname.startsWith("/traces/")) link.setAttribute("aria-current", "true");
}
document.getElementById("tools").append(themeSwitch());

for (const [pattern, styles, load] of VIEWS) {
  const match = pattern.exec(location.pathname);
  if (!match) continue;
  const [show] = await Promise.all([load(), ...styles.map(styled)]);
  show(document.getElementById("view"), setLive, ...match.slice(1));
}
