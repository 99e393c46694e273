// Where in a row a moment lies, for the part of the run that is looked at.

import { duration } from "./text.js";

const TICK_PIXELS = 55; // room for a label and what keeps it from the next
const LABEL_PIXELS = 42;

export class TimeScale {
  constructor() {
    this.start = 0;
    this.end = 1;
    this.whole = 1;
    this.isZoomed = false;
  }

  /** The run reaches so far now; what is zoomed into stays. */
  reach(ns) {
    this.whole = Math.max(ns, 1);
    if (!this.isZoomed) this.end = this.whole;
  }

  /** Look at one span, or at the whole run. */
  zoom(span) {
    this.isZoomed = Boolean(span);
    this.start = span ? span.start : 0;
    this.end = span ? Math.max(span.end ?? this.whole, span.start + 1) : this.whole;
  }

  /** Where a span begins and how long it is, as shares of what is looked at. */
  stretch(span) {
    const share = (ns) => (ns - this.start) / (this.end - this.start);
    const [from, to] = [share(span.start), share(span.end ?? this.whole)];
    const left = Math.max(from, 0);
    return { left, width: Math.min(to, 1) - left };
  }

  /** Round moments, as many as have room, with their shares. */
  ticks(pixels) {
    const step = round((this.end - this.start) / Math.max(pixels / TICK_PIXELS, 1));
    const ticks = [];
    const last = (this.end - this.start) * (1 - LABEL_PIXELS / Math.max(pixels, 1));
    for (let at = 0; at === 0 || at <= last; at += step) {
      ticks.push({ share: at / (this.end - this.start), label: at === 0 ? (this.isZoomed ? `+${duration(this.start)}` : "0") : this.label(at, step) });
    }
    return ticks;
  }

  label(at, step) {
    const [unit, ns] = step >= 1e9 ? ["s", 1e9] : step >= 1e6 ? ["ms", 1e6] : step >= 1e3 ? ["µs", 1e3] : ["ns", 1];
    return `${Number((at / ns).toFixed(2))} ${unit}`;
  }
}

/** The next round number: 1, 2 or 5 and noughts. */
function round(ns) {
  const power = 10 ** Math.floor(Math.log10(Math.max(ns, 1)));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= ns);
}
