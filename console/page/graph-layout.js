// Where the nodes of a machine's graph go.
//
// A state leads only to states of its own scope (the machine, a branch, a Map's item), so each scope
// is laid out alone, and a Parallel or Map is one box of known size in the scope around it: branches
// stand side by side and no line crosses a border.

import dagre from "../lib/dagre.js";

export const NODE_HEIGHT = 32;
const ICON = 30; // left of a name
const PADDING = 14;
const MAX_WIDTH = 260;
const CLUSTER_PADDING = 16;
const BRANCH_GAP = 20;
const HEAD_GAP = 26;
const COUNTS_WIDTH = 210; // room for a Map's counts
const WEIGHT = { next: 8, branch: 8, default: 4, choice: 3, catch: 1 };

const canvas = document.createElement("canvas").getContext("2d");

function textWidth(text) {
  canvas.font = `500 12.5px ${getComputedStyle(document.body).fontFamily}`;
  return canvas.measureText(text).width;
}

export const nodeWidth = (name) => Math.min(MAX_WIDTH, Math.max(96, Math.ceil(textWidth(name)) + ICON + PADDING));

/** { width, height, nodes: [{ id, x, y, width, height, node }], clusters, edges: [{ from, to, kind, label, points }] } */
export function layout(graph) {
  const drawn = graph.nodes.filter(({ type }) => type !== "Start" && type !== "End");
  const clusterIds = new Set(graph.clusters.map(({ id }) => id));
  const branchOf = (node) => {
    if (node.branch !== undefined && node.branch !== null) return node.branch;
    const index = Number(node.id.slice((node.cluster?.length ?? -1) + 1).split("/")[0]);
    return Number.isInteger(index) ? index : 0;
  };
  const edges = mergeEdges(graph.edges, new Set(drawn.map(({ id }) => id)));

  /** The states of one scope, placed with the scope's corner at 0, 0. */
  function placeScope(nodes) {
    const boxes = new Map(nodes.map((node) => [node.id, clusterIds.has(node.id) ? placeCluster(node) : placeNode(node)]));
    const inner = edges.filter(({ from, to, kind }) => kind !== "branch" && boxes.has(from) && boxes.has(to));
    const scope = new dagre.graphlib.Graph({ multigraph: true });
    scope.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 30, edgesep: 14 });
    for (const [id, { width, height }] of boxes) scope.setNode(id, { width, height });
    inner.forEach((edge) => scope.setEdge(edge.from, edge.to, { weight: WEIGHT[edge.kind] ?? 1, edge }, edge.kind));
    dagre.layout(scope);

    const result = { width: 0, height: 0, nodes: [], clusters: [], edges: [] };
    for (const [id, box] of boxes) {
      const { x, y } = scope.node(id);
      add(result, box, x - box.width / 2, y - box.height / 2);
    }
    for (const key of scope.edges()) {
      const { edge, points } = scope.edge(key);
      const [source, target] = [scope.node(edge.from), scope.node(edge.to)];
      result.edges.push({ ...edge, points: attach(points, source, target) });
    }
    const size = scope.graph();
    result.width = Math.max(size.width, 0);
    result.height = Math.max(size.height, 0);
    return result;
  }

  function placeNode(node) {
    const width = nodeWidth(node.name);
    return { width, height: NODE_HEIGHT, clusters: [], edges: [], nodes: [{ id: node.id, node, x: 0, y: 0, width, height: NODE_HEIGHT }] };
  }

  /** A Parallel or Map: its own name on top, its branches below, side by side. */
  function placeCluster(node) {
    const children = drawn.filter(({ cluster }) => cluster === node.id);
    const branches = [...new Set(children.map(branchOf))].sort((a, b) => a - b)
      .map((branch) => placeScope(children.filter((child) => branchOf(child) === branch)));
    const headWidth = nodeWidth(node.name) + (node.type === "Map" ? COUNTS_WIDTH : 64);
    const branchesWidth = branches.reduce((sum, { width }) => sum + width, 0) + BRANCH_GAP * Math.max(0, branches.length - 1);
    const width = Math.max(headWidth, branchesWidth) + 2 * CLUSTER_PADDING;
    const inside = Math.max(0, ...branches.map(({ height }) => height));
    const top = CLUSTER_PADDING / 2 + NODE_HEIGHT + HEAD_GAP;
    const height = top + inside + HEAD_GAP;
    const head = { id: node.id, node, x: (width - headWidth) / 2, y: CLUSTER_PADDING / 2, width: headWidth, height: NODE_HEIGHT, head: true };
    const box = { width, height, nodes: [head], clusters: [{ id: node.id, x: 0, y: 0, width, height }], edges: [] };

    let x = (width - branchesWidth) / 2;
    for (const branch of branches) {
      add(box, branch, x, top);
      x += branch.width + BRANCH_GAP;
    }
    const placed = new Map(box.nodes.map((one) => [one.id, one]));
    const middle = width / 2;
    const edgeAt = (id, bottom) => {
      const cluster = box.clusters.find((one) => one.id === id && one.id !== node.id);
      const one = cluster ?? placed.get(id);
      return { x: one.x + one.width / 2, y: bottom ? one.y + one.height : one.y };
    };
    for (const edge of edges.filter(({ from, kind }) => kind === "branch" && from === node.id)) {
      box.edges.push({ ...edge, points: [{ x: middle, y: head.y + NODE_HEIGHT }, edgeAt(edge.to, false)] });
    }
    const leads = new Set(edges.filter(({ kind }) => kind !== "branch").map(({ from }) => from));
    for (const child of children.filter(({ id, type }) => type !== "Fail" && !leads.has(id))) {
      box.edges.push({ from: child.id, to: node.id, kind: "leave", label: null, points: [edgeAt(child.id, true), { x: middle, y: height }] });
    }
    return box;
  }

  return placeScope(drawn.filter(({ cluster }) => cluster === null || cluster === undefined));
}

/** One line between two states for all that leads there, and one more for what is caught. */
function mergeEdges(edges, known) {
  const merged = new Map();
  for (const edge of edges) {
    if (!known.has(edge.from) || !known.has(edge.to)) continue;
    const key = JSON.stringify([edge.from, edge.to, edge.kind === "catch"]);
    const before = merged.get(key);
    if (!before) merged.set(key, { ...edge });
    else before.label = [before.label, edge.label].filter(Boolean).join(" · ") || null;
  }
  return [...merged.values()];
}

function add(target, box, dx, dy) {
  const move = (one) => ({ ...one, x: one.x + dx, y: one.y + dy });
  target.nodes.push(...box.nodes.map(move));
  target.clusters.push(...box.clusters.map(move));
  target.edges.push(...box.edges.map((edge) => ({ ...edge, points: edge.points.map(({ x, y }) => ({ x: x + dx, y: y + dy })) })));
}

/** dagre ends a line anywhere on a box: let it leave at the bottom and arrive at the top. */
function attach(points, source, target) {
  const middle = points.slice(1, -1);
  if (source.y >= target.y) return points; // a loop goes back up, from side to side
  return [{ x: source.x, y: source.y + source.height / 2 }, ...middle, { x: target.x, y: target.y - target.height / 2 }];
}

/** A smooth line through the points, vertical at each. */
export function curve(points) {
  const at = ({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  return points.reduce((path, point, index) => {
    if (index === 0) return `M${at(point)}`;
    const before = points[index - 1];
    if (Math.abs(before.x - point.x) < 0.5) return `${path}L${at(point)}`;
    const middle = (before.y + point.y) / 2;
    return `${path}C${at({ x: before.x, y: middle })} ${at({ x: point.x, y: middle })} ${at(point)}`;
  }, "");
}
