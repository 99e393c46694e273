// Lists of elements that change.

/** Put `children` in place of what `parent` holds; null and false are left out. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

/**
 * Make the children of `parent` the elements that `make` gives for `items`, keeping those whose key and
 * state are as before: focus, selection and scroll position stay.
 */
export function keep(parent, items, keyOf, stateOf, make) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const state = stateOf(item);
    const known = before.get(key);
    let child = known;
    before.delete(key);
    if (!known || known.dataset.state !== state) {
      child = make(item, known !== undefined);
      child.dataset.key = key;
      child.dataset.state = state;
      if (known) {
        if (place === known) place = child;
        replace(known, child);
      }
    }
    if (place === child) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of before.values()) gone.remove();
}

// The part that had the focus has it afterwards.
function replace(known, child) {
  const part = known.contains(document.activeElement) ? document.activeElement.dataset.part : undefined;
  known.replaceWith(child);
  if (part) [...child.querySelectorAll("[data-part]")].find((one) => one.dataset.part === part)?.focus({ preventScroll: true });
}
