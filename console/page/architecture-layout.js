// Where the parts of a stack go: from left to right as events and calls go.
//
// Parts that are connected to one another are laid out together; such groups stand one below the
// other, the largest first. The layout depends on parts and connections only, not on their counts.

import dagre from "../lib/dagre.js";

export const HEIGHT = 30;
export const WIDTH = 208;
const GROUP_GAP = 34;
const WEIGHT = { events: 3, invokes: 3, notifies: 4, reads: 4, starts: 5, requests: 3, sends: 2, fails: 1, uses: 1 };

/** { width, height, nodes: [{ node, x, y, width, height, id }], edges: [{ edge, points }] }, and those without connections. */
export function layout(nodes, edges) {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const drawn = edges.filter(({ from, to }) => known.has(from) && known.has(to) && from !== to);
  const groups = connected(nodes, drawn);
  const result = { width: 0, height: 0, nodes: [], edges: [], alone: groups.filter(({ length }) => length === 1).map(([id]) => known.get(id)) };
  for (const group of groups.filter(({ length }) => length > 1).sort((a, b) => b.length - a.length)) {
    const top = result.height ? result.height + GROUP_GAP : 0;
    const inside = new Set(group);
    const placed = place(group, drawn.filter(({ from }) => inside.has(from)));
    for (const { id, x, y } of placed.nodes) result.nodes.push({ id, node: known.get(id), x, y: y + top, width: WIDTH, height: HEIGHT });
    for (const { edge, points } of placed.edges) result.edges.push({ edge, points: points.map(({ x, y }) => ({ x, y: y + top })) });
    result.width = Math.max(result.width, placed.width);
    result.height = top + placed.height;
  }
  return result;
}

function connected(nodes, edges) {
  const group = new Map(nodes.map(({ id }) => [id, id]));
  const root = (id) => {
    let at = id;
    while (group.get(at) !== at) at = group.get(at);
    return at;
  };
  for (const { from, to } of edges) group.set(root(from), root(to));
  const found = new Map();
  for (const { id } of nodes) found.set(root(id), [...(found.get(root(id)) ?? []), id]);
  return [...found.values()];
}

function place(ids, edges) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 10, ranksep: 64, edgesep: 8, ranker: "network-simplex" });
  for (const id of ids) graph.setNode(id, { width: WIDTH, height: HEIGHT });
  for (const edge of edges) graph.setEdge(edge.from, edge.to, { weight: WEIGHT[edge.kind] ?? 1, edge });
  dagre.layout(graph);
  const { width, height } = graph.graph();
  return {
    width,
    height,
    nodes: ids.map((id) => ({ id, x: graph.node(id).x - WIDTH / 2, y: graph.node(id).y - HEIGHT / 2 })),
    edges: graph.edges().map((key) => {
      const { edge, points } = graph.edge(key);
      return { edge, points: attach(points, graph.node(edge.from), graph.node(edge.to)) };
    }),
  };
}

/** Let a line leave at the right and arrive at the left; one that goes back, the other way round. */
function attach(points, source, target) {
  const way = source.x < target.x ? 1 : -1;
  const first = { x: source.x + (way * WIDTH) / 2, y: source.y };
  const last = { x: target.x - (way * WIDTH) / 2, y: target.y };
  const between = points.slice(1, -1).filter(({ x }) => way * (x - first.x) > 8 && way * (last.x - x) > 8);
  return [first, ...between, last];
}
