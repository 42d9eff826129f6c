// Where the nodes of a machine's graph go.
//
// A state leads only to states of its own scope (the machine, a branch, a Map's item), so each scope
// is laid out alone, and a Parallel or Map is one box of known size in the scope around it: branches
// stand side by side and no line crosses a border.

import dagre from "../lib/dagre.js";

export const NODE_HEIGHT = 32;
const ICON = 29; // left of a name
const PADDING = 11;
const MAX_WIDTH = 260;
const CLUSTER_PADDING = 16;
const BRANCH_GAP = 20;
const HEAD_GAP = 20;
const COUNTS_WIDTH = 210; // room for a Map's counts
const WEIGHT = { next: 8, default: 4, choice: 3, leave: 2, catch: 1 };
const EXIT = "$exit"; // where a branch ends

const canvas = document.createElement("canvas").getContext("2d");
const widths = new Map();

export function textWidth(text) {
  if (!widths.size) canvas.font = `500 13px ${getComputedStyle(document.body).fontFamily}`;
  if (!widths.has(text)) widths.set(text, canvas.measureText(text).width);
  return widths.get(text);
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

  /** The states of one scope, placed with the scope's corner at 0, 0. `within`: the cluster around it. */
  function placeScope(nodes, within = null) {
    const boxes = new Map(nodes.map((node) => [node.id, clusterIds.has(node.id) ? placeCluster(node) : placeNode(node)]));
    const inner = edges.filter(({ from, to, kind }) => kind !== "branch" && boxes.has(from) && boxes.has(to));
    const scope = new dagre.graphlib.Graph({ multigraph: true });
    scope.setGraph({ rankdir: "TB", nodesep: 16, ranksep: 26, edgesep: 12 });
    for (const [id, { width, height }] of boxes) scope.setNode(id, { width, height });
    if (within !== null) {
      scope.setNode(EXIT, { width: 1, height: 1 });
      const goesOn = new Set(inner.filter(({ kind }) => kind !== "catch").map(({ from }) => from));
      const last = nodes.filter(({ id, type }) => type !== "Fail" && !goesOn.has(id));
      inner.push(...last.map(({ id }) => ({ from: id, to: EXIT, kind: "leave", label: null })));
    }
    inner.forEach((edge) => scope.setEdge(edge.from, edge.to, { weight: WEIGHT[edge.kind] ?? 1, edge }, edge.kind));
    dagre.layout(scope);
    straighten(scope, mainPath(nodes, inner));

    const result = { width: 0, height: 0, nodes: [], clusters: [], edges: [] };
    for (const [id, box] of boxes) {
      const { x, y } = scope.node(id);
      add(result, box, x - box.width / 2, y - box.height / 2);
    }
    const halves = rankHalves(scope);
    for (const key of scope.edges()) {
      const { edge, points } = scope.edge(key);
      const [source, target] = [scope.node(edge.from), scope.node(edge.to)];
      result.edges.push({ ...edge, to: edge.to === EXIT ? within : edge.to, points: attach(points, source, target, halves) });
    }
    if (within !== null && scope.inEdges(EXIT).length) result.exit = { x: scope.node(EXIT).x, y: scope.node(EXIT).y };
    const size = scope.graph();
    return Object.assign(result, { width: Math.max(size.width, 0), height: Math.max(size.height, 0) });
  }

  function placeNode(node) {
    const width = nodeWidth(node.name);
    return { width, height: NODE_HEIGHT, clusters: [], edges: [], nodes: [{ id: node.id, node, x: 0, y: 0, width, height: NODE_HEIGHT }] };
  }

  /** A Parallel or Map: its own name on top, its branches below, side by side. */
  function placeCluster(node) {
    const children = drawn.filter(({ cluster }) => cluster === node.id);
    const branches = [...new Set(children.map(branchOf))].sort((a, b) => a - b)
      .map((branch) => placeScope(children.filter((child) => branchOf(child) === branch), node.id));
    const headWidth = nodeWidth(node.name) + (node.type === "Map" ? COUNTS_WIDTH : 64);
    const branchesWidth = branches.reduce((sum, { width }) => sum + width, 0) + BRANCH_GAP * Math.max(0, branches.length - 1);
    const width = Math.max(headWidth, branchesWidth) + 2 * CLUSTER_PADDING;
    const inside = Math.max(0, ...branches.map(({ height }) => height));
    const top = CLUSTER_PADDING / 2 + NODE_HEIGHT + HEAD_GAP;
    const height = top + inside + HEAD_GAP;
    const head = { id: node.id, node, x: (width - headWidth) / 2, y: CLUSTER_PADDING / 2, width: headWidth, height: NODE_HEIGHT, head: true };
    const box = { width, height, nodes: [head], clusters: [{ id: node.id, x: 0, y: 0, width, height }], edges: [] };

    const middle = width / 2;
    const bottom = top + inside;
    const toExit = []; // what ends in a branch goes on to the one way out
    let x = (width - branchesWidth) / 2;
    for (const branch of branches) {
      add(box, branch, x, top);
      if (branch.exit) {
        const at = { x: branch.exit.x + x, y: branch.exit.y + top };
        toExit.push(at.x === middle ? [{ x: middle, y: height }] : [{ x: at.x, y: bottom }, { x: middle, y: height }]);
      }
      x += branch.width + BRANCH_GAP;
    }
    const starts = new Map([...box.nodes, ...box.clusters].map((one) => [one.id, one])); // a cluster's border, not its name
    for (const edge of edges.filter(({ from, kind }) => kind === "branch" && from === node.id)) {
      const start = starts.get(edge.to);
      box.edges.push({ ...edge, points: [{ x: middle, y: head.y + NODE_HEIGHT }, { x: start.x + start.width / 2, y: start.y }] });
    }
    const branchAt = new Map(branches.flatMap((branch, index) => branch.nodes.map(({ id }) => [id, index])));
    const exits = branches.map(({ exit }) => (exit ? toExit.shift() : []));
    for (const edge of box.edges.filter(({ kind, to }) => kind === "leave" && to === node.id)) {
      edge.points.push(...exits[branchAt.get(edge.from)]);
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

/** The longest way through a scope that no error takes: what the scope is for. */
function mainPath(nodes, edges) {
  const ways = new Map(nodes.map(({ id }) => [id, []]));
  for (const { from, to, kind } of edges) if (kind !== "catch" && kind !== "leave") ways.get(from).push(to);
  const best = new Map();
  const longest = (id, above) => {
    if (best.has(id)) return best.get(id);
    const further = ways.get(id).filter((next) => !above.has(next)).map((next) => longest(next, new Set([...above, id])));
    const path = [id, ...(further.sort((a, b) => b.length - a.length)[0] ?? [])];
    best.set(id, path);
    return path;
  };
  const targets = new Set(edges.map(({ to }) => to));
  const start = nodes.find(({ id }) => !targets.has(id)) ?? nodes[0];
  return start ? longest(start.id, new Set()) : [];
}

/** Put the main path on one vertical, and move its neighbours aside where they are in the way. */
function straighten(scope, path) {
  if (path.length < 2) return;
  const ranks = new Map();
  const put = (y, item) => ranks.set(Math.round(y), [...(ranks.get(Math.round(y)) ?? []), item]);
  for (const id of scope.nodes()) {
    const node = scope.node(id);
    put(node.y, { at: node, width: node.width, gap: 16, main: path.includes(id) });
  }
  for (const key of scope.edges()) {
    const { points, edge } = scope.edge(key);
    const next = path.indexOf(edge.from);
    const main = next >= 0 && path[next + 1] === edge.to && edge.kind !== "catch";
    points.forEach((at, index) => {
      if (index % 2 === 0 && index > 0 && index < points.length - 1) put(at.y, { at, width: 1, gap: 12, main });
    });
  }
  const onPath = path.map((id) => scope.node(id));
  const middle = onPath.sort((a, b) => b.width - a.width)[0].x; // the widest stays where it is
  for (const items of ranks.values()) {
    items.sort((a, b) => a.at.x - b.at.x);
    const main = items.findIndex((item) => item.main);
    if (main < 0) continue;
    items[main].at.x = middle;
    for (const step of [1, -1]) {
      for (let index = main + step; items[index]; index += step) {
        const [item, before] = [items[index], items[index - step]];
        const nearest = before.at.x + step * ((before.width + item.width) / 2 + Math.max(item.gap, before.gap));
        if ((item.at.x - nearest) * step < 0) item.at.x = nearest;
      }
    }
  }
  const all = [...ranks.values()].flat();
  const left = Math.min(...all.map(({ at, width }) => at.x - width / 2));
  for (const { at } of all) at.x -= left;
  scope.graph().width = Math.max(...all.map(({ at, width }) => at.x + width / 2));
}

/** Half the height of each rank, by the rank's middle. */
function rankHalves(scope) {
  const halves = new Map();
  for (const { y, height } of scope.nodes().map((id) => scope.node(id))) {
    halves.set(Math.round(y), Math.max(height / 2, halves.get(Math.round(y)) ?? 0));
  }
  return halves;
}

/**
 * dagre ends a line anywhere on a box, and has a point halfway between ranks for a label: let the line
 * leave at the bottom, pass each rank straight down, and arrive at the top.
 */
function attach(points, source, target, halves) {
  if (source.y >= target.y) return points; // a loop goes back up, from side to side
  const passed = points.filter((_, index) => index % 2 === 0).slice(1, -1).flatMap(({ x, y }) => {
    const half = halves.get(Math.round(y)) ?? 0;
    return [{ x, y: y - half }, { x, y: y + half }];
  });
  const [first, last] = [{ x: source.x, y: source.y + source.height / 2 }, { x: target.x, y: target.y - target.height / 2 }];
  return [first, ...passed.filter(({ y }) => y > first.y && y < last.y), last];
}

/** A smooth line through the points; at each it runs along one axis. */
export function curve(points, along = "y") {
  const across = along === "y" ? "x" : "y";
  const at = ({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  return points.reduce((path, point, index) => {
    if (index === 0) return `M${at(point)}`;
    const before = points[index - 1];
    if (Math.abs(before[across] - point[across]) < 0.5) return `${path}L${at(point)}`;
    const middle = (before[along] + point[along]) / 2;
    return `${path}C${at({ ...before, [along]: middle })} ${at({ ...point, [along]: middle })} ${at(point)}`;
  }, "");
}
