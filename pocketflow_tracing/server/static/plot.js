// Small plots over time: bars or lines for one figure, drawn as SVG, without a library.

import { drawn, element } from "/view/dom.js";
import { moment } from "/view/text.js";
import { short } from "./format.js";

const HEIGHT = 132;
const MARGIN = { top: 8, right: 8, bottom: 20, left: 46 };

/**
 * A figure with a title, a plot and a line that tells what is pointed at.
 *
 *     series   [{name, look, values}]: a value per bucket, null where there is none
 *     kind     "bars" (stacked) or "lines"
 *     says     turns a value into words; `axis` into few letters, for the scale
 *     most     where the scale ends; by itself where it is left out
 *
 * `pointed(index)` is told the bucket under the pointer, null when it leaves; `chosen(index)` which one
 * was clicked. `point(index)` of what comes back marks a bucket from outside.
 */
export function figure({ title, total, series, kind, says, axis = short, most }, buckets, { pointed, chosen }) {
  const told = element("span", { class: "plot-told" });
  const place = element("div", { class: "plot" });
  const made = element("figure", { class: "figure" },
    element("figcaption", {}, element("span", { class: "plot-title" }, title), told), place);
  let geometry = null;
  let mark = null;

  function draw() {
    const width = place.clientWidth;
    if (!width) return;
    if (!series.some(({ values }) => values.some((value) => value))) {
      place.replaceChildren(element("p", { class: "plot-none" }, "None in this time"));
      return;
    }
    geometry = new Geometry(width, buckets, series, kind, most);
    mark = drawn("rect", { class: "plot-mark", y: MARGIN.top, height: HEIGHT - MARGIN.top - MARGIN.bottom, hidden: true });
    place.replaceChildren(drawn("svg", {
      width, height: HEIGHT, role: "img", "aria-label": `${title}: ${total}`,
      on: {
        pointermove: (event) => pointed(geometry.at(event.offsetX)),
        pointerleave: () => pointed(null),
        click: (event) => chosen(geometry.at(event.offsetX)),
      },
    }, axes(geometry, axis), mark, kind === "bars" ? bars(geometry, series) : lines(geometry, series)));
  }

  function point(index) {
    if (!mark) return;
    mark.classList.toggle("is-on", index !== null);
    told.textContent = index === null ? "" : words(index);
    if (index === null) return;
    mark.setAttribute("x", geometry.left(index));
    mark.setAttribute("width", Math.max(geometry.step, 1));
  }

  function words(index) {
    const values = series.map(({ name, values }) => (values[index] === null ? null : `${series.length > 1 ? `${name} ` : ""}${says(values[index])}`));
    return `${moment(buckets[index]).slice(5, 16)} · ${values.filter(Boolean).join(", ") || "nothing"}`;
  }

  const watcher = new ResizeObserver(() => {
    if (geometry?.width !== place.clientWidth) draw();
  });
  watcher.observe(place);
  return { element: made, point };
}

class Geometry {
  constructor(width, buckets, series, kind, most) {
    this.width = width;
    this.buckets = buckets;
    this.step = (width - MARGIN.left - MARGIN.right) / Math.max(buckets.length, 1);
    const heights = buckets.map((_, index) => {
      const values = series.map(({ values }) => values[index] ?? 0);
      return kind === "bars" ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values);
    });
    this.ticks = ticks(most ?? Math.max(...heights, 0));
    this.most = most ?? this.ticks.at(-1);
  }

  left(index) {
    return MARGIN.left + index * this.step;
  }

  y(value) {
    return HEIGHT - MARGIN.bottom - (value / (this.most || 1)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  at(x) {
    const index = Math.floor((x - MARGIN.left) / this.step);
    return index < 0 || index >= this.buckets.length ? null : index;
  }
}

/** Round values from 0 to just above `most`: three or four of them. */
export function ticks(most) {
  if (most <= 0) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(most / 3));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size * 3 >= most);
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

function axes(geometry, axis) {
  const right = geometry.width - MARGIN.right;
  const levels = geometry.ticks.filter((tick) => tick <= geometry.most).flatMap((tick) => [
    drawn("line", { class: "plot-level", x1: MARGIN.left, x2: right, y1: Math.round(geometry.y(tick)) + 0.5, y2: Math.round(geometry.y(tick)) + 0.5 }),
    drawn("text", { class: "plot-label", x: MARGIN.left - 6, y: geometry.y(tick) + 3.5, "text-anchor": "end" }, axis(tick)),
  ]);
  const every = Math.ceil(110 / geometry.step);
  const isDays = geometry.buckets.length > 1 && geometry.buckets.at(-1) - geometry.buckets[0] > 36 * 3600e3;
  const times = geometry.buckets.flatMap((ms, index) => (index % every || geometry.left(index) > right - 40 ? [] : [
    drawn("text", { class: "plot-label", x: geometry.left(index), y: HEIGHT - 6 }, isDays ? moment(ms).slice(5, 10) : moment(ms).slice(11, 16)),
  ]));
  return [...levels, ...times];
}

function bars(geometry, series) {
  const gap = geometry.step > 6 ? 2 : geometry.step > 3 ? 1 : 0;
  return geometry.buckets.flatMap((_, index) => {
    let below = 0;
    return series.map(({ look, values }) => {
      const value = values[index] ?? 0;
      if (!value) return null;
      const top = geometry.y(below + value);
      const height = Math.max(geometry.y(below) - top, 1);
      below += value;
      return drawn("rect", { class: `plot-bar look-${look}`, x: geometry.left(index) + gap / 2, y: top, width: Math.max(geometry.step - gap, 1), height });
    });
  });
}

function lines(geometry, series) {
  return series.flatMap(({ look, values }) => {
    const points = values.map((value, index) => (value === null ? null : [geometry.left(index) + geometry.step / 2, geometry.y(value)]));
    // A line goes on over spans of time in which nothing ran; the dots say where something did.
    const known = points.filter(Boolean);
    return [
      drawn("path", { class: `plot-line look-${look}`, d: known.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("") }),
      ...(geometry.step > 5 || known.length < 40 ? known.map(([x, y]) => drawn("circle", { class: `plot-dot look-${look}`, cx: x.toFixed(1), cy: y.toFixed(1), r: 2 })) : []),
    ];
  });
}
