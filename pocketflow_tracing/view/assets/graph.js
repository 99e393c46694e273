// The graph: flows as they are wired, and the way that the run took through them.

import { button, drawn, element, icon } from "./dom.js";
import { arranged } from "./layout.js";
import { clip, counted, visible } from "./text.js";

const MAX_LABEL = 30;
const MAX_SCALE = 1.15;
const MIN_SCALE = 0.55; // what is smaller cannot be read
const MARGIN = 14;

export class Graph {
  /** `choose(place)` is called with the id of a node that is clicked. */
  constructor(spans, choose) {
    this.spans = spans;
    this.choose = choose;
    this.parts = new Map();
    this.places = new Map(); // where each node is drawn, by its id
    this.view = { x: 0, y: 0, scale: 1 };
    this.canvas = drawn("g", {});
    this.svg = drawn("svg", { class: "graph-canvas", role: "group", "aria-label": "The flow as it is wired, with the way the run took" }, markers(), this.canvas);
    this.note = element("p", { class: "graph-note", hidden: true });
    this.element = element(
      "section",
      { class: "graph", "aria-label": "Graph" },
      this.svg,
      element("div", { class: "graph-tools" }, button("Larger", () => this.zoom(1.25), { class: "quiet" }, icon("plus")), button("Smaller", () => this.zoom(0.8), { class: "quiet" }, icon("minus")), button("Fit the panel (0)", () => this.fit(), { class: "quiet" }, icon("fit"))),
      this.note,
    );
    this.listen();
    this.resized = new ResizeObserver(() => this.isMoved || this.fit());
    this.resized.observe(this.element);
  }

  /** Draw these flows, unless they are drawn already. */
  show(flows) {
    const form = JSON.stringify(flows);
    if (form === this.form) return;
    const isFirst = this.form === undefined;
    this.form = form;
    this.flows = flows;
    this.draw();
    if (isFirst || !this.isMoved) this.fit();
  }

  draw() {
    const across = this.arranged(true);
    const room = this.element.getBoundingClientRect();
    const fits = (plan) => Math.min((room.width - 2 * MARGIN) / plan.width, (room.height - 2 * MARGIN) / plan.height, MAX_SCALE);
    let plan = across;
    if (room.width && fits(across) < MIN_SCALE) {
      const down = this.arranged(false);
      if (fits(down) > fits(across)) plan = down;
    }
    this.plan = plan;
    this.parts.clear();
    this.places.clear();
    this.canvas.replaceChildren(...plan.boxes.map((box) => this.box(box, box)));
    this.note.hidden = !plan.hidden;
    this.note.textContent = plan.hidden ? `${counted(plan.hidden, "more node")} ${plan.hidden === 1 ? "is" : "are"} not drawn` : "";
    this.select(this.selectedSpan);
  }

  arranged(across) {
    return arranged(this.flows, (thing) => ("runs" in thing ? nodeWidth(thing) : labelWidth(thing)), across);
  }

  /** A flow at its place in its holder; `at` is its place in the whole. */
  box(box, at) {
    const node = box.node;
    if (node) this.places.set(node.id, { ...at, width: box.width, height: 40 });
    const failed = node?.failed ? " is-failed" : "";
    const ran = (node ? node.runs : box.flow.walks) ? " is-taken" : "";
    const group = drawn("g", { class: `flow${ran}${failed}`, transform: `translate(${box.x} ${box.y})` });
    const times = node?.iterations || (node ? 0 : box.flow.walks);
    const batch = node?.iterations ? counted(node.iterations, "iteration") : times > 1 ? `${times} iterations` : "";
    const told = [batch, node?.runs > 1 ? `ran ×${node.runs}` : ""].filter(Boolean).join(" · ");
    const frame = drawn("rect", { class: "flow-frame", width: box.width, height: box.height, rx: 10 });
    const name = drawn("text", { class: "flow-label", x: 14, y: 20 }, clip(visible(box.label), 40), drawn("tspan", { class: "flow-told", dx: 8 }, told));
    group.append(frame);
    if (node?.runs) this.link(drawn("g", { class: "flow-head" }, drawn("rect", { class: "flow-hit", width: box.width, height: 28, rx: 8 }), name), node, group);
    else group.append(name);
    for (const edge of box.edges) group.append(this.edge(edge));
    for (const inner of box.boxes) group.append(this.box(inner, { x: at.x + inner.x, y: at.y + inner.y }));
    for (const entry of box.nodes) {
      if (entry.node) this.places.set(entry.node.id, { ...entry, x: at.x + entry.x, y: at.y + entry.y });
      group.append(entry.node ? this.node(entry) : spot(entry));
    }
    return group;
  }

  node({ node, x, y, width, height }) {
    const state = node.failed ? "failed" : node.running ? "running" : node.stopped ? "stopped" : node.caught || node.retries ? "recovered" : node.runs ? "taken" : "untaken";
    const group = drawn("g", { class: `node is-${state}`, transform: `translate(${x} ${y})` });
    const told = facts(node);
    group.append(
      drawn("rect", { class: "node-frame", width, height, rx: 8 }),
      drawn("text", { class: "node-label", x: width / 2, y: told ? 19 : 27, "text-anchor": "middle" }, clip(visible(node.label), MAX_LABEL)),
      drawn("text", { class: "node-told", x: width / 2, y: 34, "text-anchor": "middle" }, told),
    );
    if (node.steps.length) group.append(steps(node, width));
    if (node.failed) group.append(badge("error", width));
    else if (node.caught || node.retries) group.append(badge("recovered", width));
    if (node.runs) this.link(group, node);
    return group;
  }

  /** Let `part` lead to the runs of a node, for pointer and keys. */
  link(part, node, holder = null) {
    part.setAttribute("role", "button");
    part.setAttribute("tabindex", "0");
    part.setAttribute("data-place", node.id);
    part.setAttribute("aria-label", `${visible(node.label)}, ${facts(node) || "ran once"}${node.failed ? ", failed" : ""}`);
    this.parts.set(node.id, holder ?? part);
    holder?.append(part);
  }

  edge({ edge, points, x, y, width }) {
    const kind = edge.kind === "lost" ? "lost" : edge.count ? "taken" : "untaken";
    const group = drawn("g", { class: `edge is-${kind}` });
    group.append(drawn("path", { class: "edge-line", d: edge.source === edge.target ? loop(points) : curve(points), "marker-end": edge.kind === "end" || edge.kind === "lost" ? null : `url(#arrow-${kind})` }));
    const label = edgeLabel(edge);
    if (!label) return group;
    group.append(
      drawn("rect", { class: "edge-plate", x: x - width / 2, y: y - 9, width, height: 18, rx: 9 }),
      drawn("text", { class: "edge-label", x, y: y + 4, "text-anchor": "middle" }, ...label.map(([text, style]) => drawn("tspan", { class: style }, text))),
      drawn("title", {}, edgeTitle(edge)),
    );
    return group;
  }

  select(span) {
    this.selectedSpan = span;
    const place = span && this.spans.run(span)?.place;
    if (place) this.bringIn(this.places.get(place));
    for (const [id, part] of this.parts) part.classList.toggle("is-selected", id === place);
  }

  listen() {
    const chosen = (event) => event.target.closest?.("[data-place]")?.dataset.place;
    this.svg.addEventListener("click", (event) => !this.wasDragged && chosen(event) && this.choose(chosen(event)));
    this.svg.addEventListener("keydown", (event) => {
      if ((event.key !== "Enter" && event.key !== " ") || !chosen(event)) return;
      event.preventDefault();
      event.stopPropagation();
      this.choose(chosen(event));
    });
    this.svg.addEventListener("pointerdown", (down) => this.drag(down));
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls as pages do
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.1 : 0.9, event);
    }, { passive: false });
  }

  drag(down) {
    const { x, y } = this.view;
    this.wasDragged = false;
    const moved = (event) => {
      const [right, below] = [event.clientX - down.clientX, event.clientY - down.clientY];
      if (!this.wasDragged && Math.hypot(right, below) < 4) return;
      this.wasDragged = this.isMoved = true;
      this.look({ ...this.view, x: x + right, y: y + below });
    };
    const ended = () => {
      removeEventListener("pointermove", moved);
      removeEventListener("pointerup", ended);
    };
    addEventListener("pointermove", moved);
    addEventListener("pointerup", ended);
  }

  zoom(by, at = null) {
    const frame = this.svg.getBoundingClientRect();
    const [x, y] = at ? [at.clientX - frame.left, at.clientY - frame.top] : [frame.width / 2, frame.height / 2];
    const scale = Math.min(Math.max(this.view.scale * by, 0.05), 4);
    const grown = scale / this.view.scale;
    this.isMoved = true;
    this.look({ scale, x: x - (x - this.view.x) * grown, y: y - (y - this.view.y) * grown });
  }

  /** Move so far that a node can be seen. */
  bringIn(place) {
    const room = this.element.getBoundingClientRect();
    if (!place || !room.width) return;
    const { scale, x, y } = this.view;
    const [left, top] = [x + place.x * scale, y + place.y * scale];
    const isSeen = left > 0 && top > 0 && left + place.width * scale < room.width && top + place.height * scale < room.height;
    if (!isSeen) this.center(place);
  }

  center(place) {
    const room = this.element.getBoundingClientRect();
    const { scale } = this.view;
    const middle = (start, size, whole) => whole / 2 - (start + size / 2) * scale;
    this.look({ scale, x: middle(place.x, place.width, room.width), y: middle(place.y, place.height, room.height) });
  }

  /** Show all of it, in the middle; of what is too large to be read then, what is selected or comes first. */
  fit() {
    const room = this.element.getBoundingClientRect();
    if (!this.plan || !room.width || !this.plan.width) return;
    this.isMoved = false;
    const fitting = Math.min((room.width - 2 * MARGIN) / this.plan.width, (room.height - 2 * MARGIN) / this.plan.height);
    const scale = Math.min(Math.max(fitting, MIN_SCALE), MAX_SCALE);
    const [right, below] = [room.width - this.plan.width * scale, room.height - this.plan.height * scale];
    this.look({ scale, x: right / 2, y: below / 2 });
    if (right >= 0 && below >= 0) return;
    const first = this.places.get((this.selectedSpan && this.spans.run(this.selectedSpan)?.place) ?? this.flows[0].nodes[0]?.id);
    if (first) this.center(first);
    // Along the edge from which there is nothing more to see.
    this.look({ scale, x: right < 0 ? Math.min(this.view.x, MARGIN) : right / 2, y: below < 0 ? Math.min(this.view.y, MARGIN) : below / 2 });
  }

  look(view) {
    this.view = view;
    this.canvas.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  }

  destroy() {
    this.resized.disconnect();
  }
}

function markers() {
  return drawn("defs", {}, ...["taken", "untaken"].map((kind) =>
    drawn("marker", { id: `arrow-${kind}`, class: `arrow is-${kind}`, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 10, markerHeight: 10, markerUnits: "userSpaceOnUse", orient: "auto-start-reverse" }, drawn("path", { d: "M0 1L9 5L0 9z" }))));
}

/** A line that leaves a node and comes back to it beneath. */
function loop([from, below, to]) {
  return `M${from.x} ${from.y}C${from.x} ${below.y} ${to.x} ${below.y} ${to.x} ${to.y}`;
}

/** A line through all points that is round at the inner ones. */
function curve(points) {
  const [first, ...rest] = points;
  let path = `M${first.x} ${first.y}`;
  for (let index = 0; index < rest.length - 1; index++) {
    const [at, next] = [rest[index], rest[index + 1]];
    path += `Q${at.x} ${at.y} ${index === rest.length - 2 ? next.x : (at.x + next.x) / 2} ${index === rest.length - 2 ? next.y : (at.y + next.y) / 2}`;
  }
  return rest.length === 1 ? `${path}L${rest[0].x} ${rest[0].y}` : path;
}

function spot({ kind, x, y, width }) {
  const half = width / 2;
  const group = drawn("g", { class: `spot spot-${kind}`, transform: `translate(${x} ${y})` });
  if (kind === "lost") group.append(drawn("circle", { cx: half, cy: half, r: half }), drawn("path", { d: "M4.5 4.5l5 5M9.5 4.5l-5 5" }));
  else if (kind === "end") group.append(drawn("circle", { cx: half, cy: half, r: half - 1 }), drawn("circle", { class: "spot-core", cx: half, cy: half, r: 3.5 }));
  else group.append(drawn("circle", { class: "spot-core", cx: half, cy: half, r: 5 }));
  return group;
}

function badge(kind, width) {
  const mark = drawn("g", { class: `node-badge badge-${kind}`, transform: `translate(${width - 8} -8)` }, drawn("circle", { cx: 8, cy: 8, r: 8 }));
  const picture = icon(kind);
  picture.setAttribute("width", "12");
  picture.setAttribute("height", "12");
  picture.setAttribute("x", "2");
  picture.setAttribute("y", "2");
  mark.append(picture);
  return mark;
}

/** The number of a node in the way through its flow, at its corner. */
function steps(node) {
  const text = node.steps.join(" ") + (node.runs > node.steps.length && node.steps.length > 1 ? "…" : "");
  const width = Math.max(16, text.length * 6 + 9);
  return drawn("g", { class: "node-steps", transform: "translate(-8 -11)" },
    drawn("rect", { width, height: 16, rx: 8 }),
    drawn("text", { x: width / 2, y: 11.5, "text-anchor": "middle" }, text));
}

function facts(node) {
  return [
    node.runs > 1 ? `×${node.runs}` : "",
    node.items ? counted(node.items, "item") : "",
    node.iterations ? counted(node.iterations, "iteration") : "",
    node.retries ? counted(node.retries, "retry") : "",
    node.failed && node.runs > 1 ? `${node.failed} failed` : "",
    node.running ? "running" : "",
    node.stopped ? "stopped" : "",
  ].filter(Boolean).join(" · ");
}

function edgeLabel(edge) {
  if (edge.kind === "start") return null;
  const action = edge.action === "default" ? "" : clip(visible(edge.action), MAX_LABEL);
  const parts = [];
  if (edge.kind === "lost") parts.push([`${clip(visible(edge.action), MAX_LABEL)} not found`, "edge-action"]);
  else if (action) parts.push([action, "edge-action"]);
  if (edge.count > 1) parts.push([` ×${edge.count}`, "edge-count"]);
  return parts.length ? parts : null;
}

function edgeTitle(edge) {
  const where = edge.steps.length ? `, step ${edge.steps.join(", ")}` : "";
  return `${visible(edge.action)}: ${edge.count ? `taken ${edge.count === 1 ? "once" : `${edge.count} times`}${where}` : "not taken"}`;
}

let pen = null;

function textWidth(text, font) {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = font;
  return pen.measureText(text).width;
}

const SANS = 'system-ui, "Segoe UI", Roboto, sans-serif';

function nodeWidth(node) {
  return Math.max(textWidth(clip(visible(node.label), MAX_LABEL), `600 13px ${SANS}`), textWidth(facts(node), `11px ${SANS}`)) + 32;
}

function labelWidth(edge) {
  const label = edgeLabel(edge);
  return label ? textWidth(label.map(([text]) => text).join(""), `600 11px ${SANS}`) + 16 : 0;
}
