// Making elements. Texts only ever become text nodes, so that no value of a trace is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element: `given` holds attributes, `on` its listeners, `style` what the policy of the page
 * forbids to write as an attribute. Children are nodes or texts; null and false are left out.
 */
export function element(tag, given = {}, ...children) {
  return furnished(document.createElement(tag), given, children);
}

/** An SVG element, made like an HTML one. */
export function drawn(tag, given = {}, ...children) {
  return furnished(document.createElementNS(SVG, tag), given, children);
}

function furnished(made, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (name === "style") for (const [property, text] of Object.entries(value)) made.style.setProperty(property, text);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A button that says what it does, to screen readers too. */
export function button(label, act, given = {}, ...children) {
  return element(
    "button",
    { type: "button", title: label, "aria-label": label, on: { click: act }, ...given },
    ...(children.length ? children : [label]),
  );
}

// Drawn on 16 by 16, in the colour of the text around.
const SHAPES = {
  ok: ["M3.5 8.5l3 3 6-7"],
  error: ["M4.5 4.5l7 7M11.5 4.5l-7 7"],
  recovered: ["M12.8 8a4.8 4.8 0 1 1-1.6-3.6", "M12.8 2.2v2.9H9.9"],
  warning: ["M8 2.6l6 10.8H2z", "M8 6.8v3.1M8 11.6v.2"],
  cancelled: ["M8 2.8a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 8 2.8z", "M4.4 4.4l7.2 7.2"],
  interrupted: ["M9 2L4.5 9H8l-1 5 4.5-7H8z"],
  unset: ["M8 4.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8z"],
  chevron: ["M6 4l4 4-4 4"],
  search: ["M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4z", "M10.2 10.2l3.3 3.3"],
  copy: ["M5.5 5.5h7v7h-7z", "M10.5 5.5v-2h-7v7h2"],
  light: ["M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z", "M8 1.5v1.4M8 13.1v1.4M1.5 8h1.4M13.1 8h1.4M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1"],
  dark: ["M13 9.6A5.4 5.4 0 0 1 6.4 3a5.4 5.4 0 1 0 6.6 6.6z"],
  help: ["M6 6.2a2 2 0 1 1 2.8 1.8c-.6.3-.8.7-.8 1.4", "M8 11.8v.2"],
  masked: ["M4.5 7.5h7v5h-7z", "M6 7.5V5.6a2 2 0 0 1 4 0v1.9"],
  cut: ["M3 8h2M7 8h2M11 8h2"],
  fit: ["M2.8 6V2.8H6M10 2.8h3.2V6M13.2 10v3.2H10M6 13.2H2.8V10"],
  plus: ["M8 3.5v9M3.5 8h9"],
  minus: ["M3.5 8h9"],
  close: ["M4.5 4.5l7 7M11.5 4.5l-7 7"],
};

/** A small picture; meaningless to screen readers, so that a label has to stand beside it. */
export function icon(name, className = "") {
  return drawn(
    "svg",
    { viewBox: "0 0 16 16", class: `icon icon-${name} ${className}`.trim(), "aria-hidden": "true" },
    ...SHAPES[name].map((path) => drawn("path", { d: path })),
  );
}
