// What a reader chose, remembered on this machine where the browser allows it.

/** What was remembered on this machine; nothing where a browser does not allow it. */
export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(`pocketflow-tracing:${name}`));
  } catch {
    return null;
  }
}

/** Remember a small value on this machine, if the browser allows it. */
export function remember(name, value) {
  try {
    localStorage.setItem(`pocketflow-tracing:${name}`, JSON.stringify(value));
  } catch {
    // A sandbox, or a reader who wants nothing kept.
  }
}
