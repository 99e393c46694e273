// Amounts and times as a list shows them; `view/text.js` has what the page of a trace shows too.

import { duration, moment } from "/view/text.js";

const STATUSES = { ok: "ok", error: "error", unset: "running", interrupted: "interrupted", cancelled: "cancelled" };

export function statusName(status) {
  return STATUSES[status] ?? String(status);
}

/** A whole number; nothing for 0, so that a column shows what stands out. */
export function count(value) {
  return value ? value.toLocaleString("en") : "";
}

/** A number for an axis: 1.2k, 3M. */
export function short(value) {
  for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e4, "k"]]) {
    if (Math.abs(value) >= size) return `${trimmed(value / (letter === "k" ? 1e3 : size))}${letter}`;
  }
  return (Math.round(value * 1000) / 1000).toLocaleString("en");
}

/** A duration for an axis, in one unit. */
export function shortDuration(ns) {
  if (!ns) return "0";
  const [unit, size] = [["h", 36e11], ["min", 6e10], ["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]].find(([, size]) => ns >= size * (size === 6e10 ? 5 : 1));
  return `${Math.round((ns / size) * 10) / 10} ${unit}`;
}

function trimmed(value) {
  return String(Math.round(value * 10) / 10);
}

export function percent(share) {
  if (share === null || share === undefined) return "";
  const value = share * 100;
  // Only all is 100%.
  return `${value > 99.9 && value < 100 ? "99.9" : trimmed(value)}%`;
}

/** When something was, with the day only where it was not today. */
export function when(ms, now = Date.now()) {
  const [day, time] = moment(ms).split(" ");
  return day === moment(now).split(" ")[0] ? time : `${day} ${time}`;
}

/** A stretch of time that may be days. */
export function stretch(ms) {
  const days = Math.floor(ms / 86_400_000);
  return days ? `${days} d ${Math.floor((ms % 86_400_000) / 3_600_000)} h` : duration(ms * 1e6);
}

export function ago(ms, now = Date.now()) {
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 5) return "now";
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${Math.floor(seconds)} s ago`;
}
