// Asking the server.

/** What the server answers, as an object. Throws an Error whose message is for people. */
export async function get(path, parameters = {}, signal = undefined) {
  return JSON.parse(await getText(path, parameters, signal));
}

/** The same as it came. */
export async function getText(path, parameters = {}, signal = undefined) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  let response;
  try {
    response = await fetch(url, { signal, headers: { accept: "application/json" } });
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new Error("The dashboard does not answer. Is pocketflow-tracing ui still running?");
  }
  const text = await response.text();
  if (response.ok) return text;
  const failure = new Error(reason(text) ?? `The dashboard answered with status ${response.status}.`);
  failure.status = response.status;
  throw failure;
}

function reason(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}

/**
 * Calls the listeners with the events of `path`, by name, for as long as the page is looked at: a browser
 * opens few connections to one server, and hidden tabs need none. `state` is told "live", "waiting" or
 * "paused"; `last` says how far the page is already. Gives a function that ends it.
 */
export function follow(path, listeners, state = () => {}, last = "") {
  let source = null;
  let ended = false;

  function open() {
    const url = new URL(path, location.origin);
    if (last) url.searchParams.set("since", last);
    source = new EventSource(url);
    source.addEventListener("open", () => state("live"));
    source.addEventListener("error", () => {
      state("waiting");
      // The browser tries again by itself unless the server refused.
      if (source && source.readyState === EventSource.CLOSED) retry();
    });
    for (const [name, listener] of Object.entries(listeners)) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) last = event.lastEventId;
        listener(event.data ? JSON.parse(event.data) : null);
      });
    }
  }

  function close() {
    source?.close();
    source = null;
  }

  function retry() {
    close();
    setTimeout(() => {
      if (!ended && !document.hidden && !source) open();
    }, 2000);
  }

  function visibility() {
    if (ended) return;
    if (document.hidden) {
      close();
      state("paused");
    } else if (!source) open();
  }

  function end() {
    ended = true;
    close();
    document.removeEventListener("visibilitychange", visibility);
  }

  document.addEventListener("visibilitychange", visibility);
  // A page that is kept for "back" gives its connection away.
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && !ended && !source) open();
  });
  if (!document.hidden) open();
  return end;
}
