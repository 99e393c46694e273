// Where the nodes of a flow stand: each flow is laid out by itself, and stands as one box in its holder.
// (The library's own nested boxes take no edges that end at a box, and here they nearly always do.)

import { Graph as Layout, layout } from "./vendor/dagre.esm.js";

const MAX_NODES = 220;
const HEADER = 30;
const PADDING = 16;
const NODE_HEIGHT = 44;
const SPOT = 14; // where a flow starts or ends
const LOOP = 26; // beneath a node that leads to itself; as much above, so that other edges meet its middle

/** All flows at their places, `across` from left to right or down: `{boxes, width, height, hidden}`. */
export function arranged(flows, measure, across) {
  const held = new Map(flows.filter((flow) => flow.holder).map((flow) => [flow.holder, flow]));
  const state = { held, measure, across, hidden: 0 };
  const tops = flows.filter((flow) => !flow.holder && flow.nodes.length).map((flow) => inside(flow, state, new Set()));
  let reach = 0;
  let most = 0;
  for (const box of tops) {
    box.x = across ? 0 : reach;
    box.y = across ? reach : 0;
    reach += (across ? box.height : box.width) + 24;
    most = Math.max(most, across ? box.width : box.height);
  }
  const size = Math.max(reach - 24, 0);
  return { boxes: tops, width: across ? most : size, height: across ? size : most, hidden: state.hidden };
}

/** One flow as a box: its nodes, the boxes in it and its edges, with places relative to its corner. */
function inside(flow, state, around) {
  const box = { flow, label: flow.label, nodes: [], boxes: [], edges: [], x: 0, y: 0 };
  const graph = new Layout({ multigraph: true });
  graph.setGraph({ rankdir: state.across ? "LR" : "TB", nodesep: 18, ranksep: 34, edgesep: 12, marginx: PADDING, marginy: PADDING });
  const nodes = shown(flow, state);
  const drawn = new Set(nodes.map((node) => node.id));
  const looped = new Set(flow.edges.filter((edge) => edge.source === edge.target).map((edge) => edge.source));
  const room = (node) => (looped.has(node.id) ? 2 * LOOP : 0);
  for (const node of nodes) {
    const flowInside = state.held.get(node.id);
    if (flowInside?.nodes.length && !around.has(flowInside.path)) {
      const inner = inside(flowInside, state, new Set([...around, flow.path]));
      inner.node = node;
      box.boxes.push(inner);
      graph.setNode(node.id, { width: inner.width, height: inner.height + room(node), place: inner, room: room(node) });
    } else {
      const entry = { node, width: Math.ceil(Math.max(state.measure(node), 92)), height: NODE_HEIGHT };
      box.nodes.push(entry);
      graph.setNode(node.id, { width: entry.width, height: NODE_HEIGHT + room(node), place: entry, room: room(node) });
    }
  }
  addStart(graph, box, nodes[0], flow);
  const edges = flow.edges.filter((edge) => drawn.has(edge.source) && (edge.target === null || drawn.has(edge.target)));
  const [loops, ways] = [edges.filter((edge) => edge.source === edge.target), edges.filter((edge) => edge.source !== edge.target)];
  ways.forEach((edge, index) => addEdge(graph, box, edge, index, state));
  layout(graph);
  settle(graph, box);
  for (const edge of loops) box.edges.push(looping(edge, box, state));
  return box;
}

/** The nodes to draw: of very many, those that ran and those that could have been next. */
function shown(flow, state) {
  if (flow.nodes.length <= MAX_NODES) return flow.nodes;
  const near = new Set(flow.nodes.filter((node) => node.runs).map((node) => node.id));
  for (const edge of flow.edges) if (edge.target && near.size < MAX_NODES && near.has(edge.source)) near.add(edge.target);
  const nodes = flow.nodes.filter((node) => near.has(node.id)).slice(0, MAX_NODES);
  state.hidden += flow.nodes.length - nodes.length;
  return nodes;
}

function addStart(graph, box, first, flow) {
  if (!first || flow.nodes.length < 2 && !flow.edges.length) return;
  const spot = { kind: "start", width: SPOT, height: SPOT };
  graph.setNode("start", { ...spot, place: spot });
  box.nodes.push(spot);
  const edge = { edge: { action: "", count: flow.walks, kind: "start", steps: [] } };
  graph.setEdge("start", first.id, { ...edge, width: 0, height: 0 }, "start");
}

function addEdge(graph, box, edge, index, state) {
  let target = edge.target;
  if (target === null) {
    target = `end ${index}`;
    const spot = { kind: edge.kind, width: SPOT, height: SPOT };
    graph.setNode(target, { ...spot, place: spot });
    box.nodes.push(spot);
  }
  const label = state.measure(edge);
  graph.setEdge(edge.source, target, { edge, width: label, height: label ? 18 : 0, labelpos: "c" }, String(index));
}

/** Take over where everything stands. */
function settle(graph, box) {
  const { width, height } = graph.graph();
  for (const id of graph.nodes()) {
    const { x, y, width: wide, height: high, place, room = 0 } = graph.node(id);
    place.x = x - wide / 2;
    place.y = y - high / 2 + HEADER + room / 2;
  }
  for (const name of graph.edges()) {
    const { edge, points, x, y, width: wide } = graph.edge(name);
    const lowered = points.map((point) => ({ x: point.x, y: point.y + HEADER }));
    box.edges.push({ edge, points: lowered, x: x ?? 0, y: (y ?? 0) + HEADER, width: wide });
  }
  box.width = Math.max(width, box.flow.label.length * 7.5 + 90);
  box.height = height + HEADER;
}

/** A way from a node back to itself, beneath it. Several of them share the line; their labels stand side by side. */
function looping(edge, box, state) {
  const node = [...box.nodes, ...box.boxes].find((entry) => entry.node?.id === edge.source);
  const [middle, bottom] = [node.x + node.width / 2, node.y + node.height];
  const before = box.edges.filter((other) => other.edge.source === edge.source && other.edge.target === edge.source);
  const width = state.measure(edge);
  const x = middle + before.reduce((sum, other) => sum + other.width / 2 + width / 2 + 4, 0);
  const reach = Math.min(node.width / 2 - 12, 34);
  return { edge, points: [{ x: middle + reach, y: bottom }, { x: middle, y: bottom + LOOP + 4 }, { x: middle - reach, y: bottom }], x, y: bottom + LOOP - 6, width };
}
