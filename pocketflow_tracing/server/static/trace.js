// The page of one trace, which grows while the run goes on.

import { element } from "/view/dom.js";
import { parsed } from "/view/numbers.js";
import { clip, visible } from "/view/text.js";
import { TracePage } from "/view/trace-page.js";
import { follow, get, getText } from "./api.js";
import { fill } from "./dom.js";
import { showTrouble } from "./states.js";

const TICK_MS = 500;
const MANY_SPANS = 5_000;

export async function showTrace(view, setLive, name) {
  const trouble = element("div", { class: "trouble", role: "alert" });
  const place = element("div", { class: "trace-place" }, element("p", { class: "wait" }, "Loading the trace…"));
  fill(view, trouble, place);
  document.documentElement.classList.add("whole-page");
  let form;
  try {
    form = await get(`/api/traces/${name}`);
  } catch (failure) {
    fill(place, element("div", { class: "empty" }, element("p", {}, element("a", { class: "button", href: "/" }, "All traces"))));
    if (failure.status === 404) showTrouble(trouble, new Error(`There is no trace ${clip(visible(decoded(name)), 80)}.`));
    else showTrouble(trouble, failure, () => showTrace(view, setLive, name));
    return;
  }
  const { place: seen, ...trace } = form;
  // An address that says "last" or the start of an id becomes one that stays true.
  history.replaceState(null, "", `/traces/${trace.id}${location.hash}`);
  const page = new TracePage(place, trace, { ...valuesOf(trace.id), actions: [compareLink(trace.id)] });
  if (isRunning(trace)) grow(page, trace, seen, trouble, setLive);
}

function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function isRunning(form) {
  return form.duration_ns === null && form.status === "unset";
}

function compareLink(id) {
  return element("a", { class: "button", href: `/compare?b=${id}`, title: "Compare with the run before" }, "Compare");
}

/** Values, asked for when they are looked at; numbers stay as they were written. */
function valuesOf(id) {
  return {
    values: async (span) => parsed(await getText(`/api/traces/${id}/spans/${span}`)),
    find: async (text) => (await get(`/api/traces/${id}/find`, { text: text.slice(0, 1000) })).spans,
  };
}

function grow(page, form, seen, trouble, setLive) {
  let latest = form;
  const reach = () => Math.max(latest.reach_ns, (Date.now() - latest.started_ms) * 1e6);
  // The clock of a running trace goes on between the events.
  const clock = setInterval(() => {
    if (!document.hidden && page.spans.inOrder.length < MANY_SPANS) page.update({ ...latest, reach_ns: reach(), spans: [] });
  }, TICK_MS);

  function over(state) {
    clearInterval(clock);
    end();
    setLive(state);
  }

  const end = follow(`/api/traces/${form.id}/changes`, {
    grown: ({ spans, ...rest }) => {
      latest = rest;
      showTrouble(trouble, null);
      page.update({ ...rest, spans });
    },
    ended: () => over("ended"),
    gone: () => {
      over("gone");
      showTrouble(trouble, new Error("This trace was deleted. What is here was read before."));
    },
    trouble: ({ error }) => showTrouble(trouble, new Error(error)),
  }, setLive, seen);
}
