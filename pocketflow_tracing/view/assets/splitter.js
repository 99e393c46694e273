// A bar between two panels that can be moved, by pointer and by keys.

import { element } from "./dom.js";
import { recall, remember } from "./memory.js";

const STEP = 24;
const LEAST = 80;

/** Resizes `panel`, along x to its left and along y beneath it; the size is remembered under `name`. */
export function splitter(panel, name, axis) {
  const property = axis === "x" ? "width" : "height";
  const label = `Size of the ${name}`;
  const bar = element("div", { class: `splitter splitter-${axis}`, role: "separator", tabindex: "0", "aria-label": label, title: label, "aria-orientation": axis === "x" ? "vertical" : "horizontal", "aria-valuenow": "50" });
  const set = (pixels) => {
    const most = (axis === "x" ? innerWidth : innerHeight) - 2 * LEAST;
    const size = Math.round(Math.min(Math.max(pixels, LEAST), most));
    panel.style.setProperty("flex-basis", `${size}px`);
    bar.setAttribute("aria-valuenow", String(Math.round((100 * size) / (most + 2 * LEAST))));
    remember(name, size);
  };
  const known = recall(name);
  if (known) set(known);

  bar.addEventListener("pointerdown", (down) => {
    const from = panel.getBoundingClientRect()[property];
    bar.setPointerCapture(down.pointerId);
    const moved = (event) => set(axis === "x" ? from - (event.clientX - down.clientX) : from + (event.clientY - down.clientY));
    bar.addEventListener("pointermove", moved);
    bar.addEventListener("lostpointercapture", () => bar.removeEventListener("pointermove", moved), { once: true });
    down.preventDefault();
  });
  bar.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: 1, ArrowRight: -1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by || event.key.endsWith("Left") !== (axis === "x") && event.key.endsWith("Right") !== (axis === "x")) return;
    set(panel.getBoundingClientRect()[property] + by * STEP);
    event.preventDefault();
    event.stopPropagation();
  });
  return bar;
}
