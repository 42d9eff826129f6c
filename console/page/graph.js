// A machine's graph: our own SVG. Every node is a button with a name; a table says the same.

import { curve, layout, NODE_HEIGHT, nodeWidth } from "./graph-layout.js";
import { SHAPES, StatusIcon, statusOf } from "./icons.js";
import { Duration } from "./time.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./view.js";

const MARGIN = 12;
const LEAST = 0.25;
const MOST = 2;
const SMALLEST = 0.7; // smaller, the names could hardly be read: one scrolls instead

/** `states` by node id; without them the graph is a plain drawing. `active`: what to follow. */
export function Graph({ graph, states = {}, selected, onSelect, active = null, title = "Graph" }) {
  const key = JSON.stringify(graph);
  const placed = useMemo(() => layout(graph), [key]);
  const [zoom, setZoom] = useState("readable"); // a number, or "whole", or as much as can be read
  const [follow, setFollow] = useState(true);
  const [table, setTable] = useState(false);
  const [room, setRoom] = useState(null);
  const view = useRef(null);

  const width = placed.width + 2 * MARGIN;
  const height = placed.height + 2 * MARGIN;
  const whole = room ? Math.min(1, room.width / width, room.height / height) : 1;
  const scale = zoom === "whole" ? whole : zoom === "readable" ? Math.max(SMALLEST, whole) : zoom;

  useLayoutEffect(() => {
    if (!view.current) return undefined;
    const measure = () => setRoom({ width: view.current.clientWidth, height: view.current.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(view.current);
    measure();
    return () => observer.disconnect();
  }, [table]);

  // Keep what is selected, or else what runs now, in sight. Of neither, begin at the first state.
  const target = selected ?? (follow ? active : null);
  const begun = useRef(null); // the drawing that has been shown from its beginning
  useEffect(() => {
    if (!room || !view.current) return;
    const drawing = typeof zoom === "string" ? `${key} ${scale} ${table}` : begun.current;
    const first = drawing !== begun.current ? firstState(graph) : null;
    begun.current = drawing;
    const node = placed.nodes.find(({ id }) => id === (target ?? first));
    if (node) scrollTo(view.current, node, scale);
  }, [target, scale, placed, table, room === null]);

  useZoomAndPan(view, scale, setZoom, table);

  return html`<section class="card graph" aria-label=${title}>
    <header>
      <h2>${title}</h2>
      <div class="right tools">
        ${!table &&
        html`${active !== null && html`<button class="quiet small" aria-pressed=${follow} title="Keep the current state in sight" onClick=${() => setFollow(!follow)}>Follow</button>`}
          <button class="quiet small" aria-label="Zoom out" onClick=${() => setZoom(Math.max(LEAST, scale / 1.2))}>−</button>
          <button class="quiet small percent" title="Show the whole graph" aria-pressed=${zoom === "whole"} onClick=${() => setZoom(zoom === "whole" ? "readable" : "whole")}>
            ${zoom === "whole" || scale === whole ? "Fit" : `${Math.round(scale * 100)} %`}
          </button>
          <button class="quiet small" aria-label="Zoom in" onClick=${() => setZoom(Math.min(MOST, scale * 1.2))}>+</button>`}
        <button class="quiet small" aria-pressed=${table} onClick=${() => setTable(!table)}>Table</button>
      </div>
    </header>
    ${table
      ? html`<${StateTable} graph=${graph} states=${states} selected=${selected} onSelect=${onSelect} />`
      : html`<div class="graph-view" ref=${view} tabindex="-1">
          <svg width=${width * scale} height=${height * scale} viewBox=${`${-MARGIN} ${-MARGIN} ${width} ${height}`} role="group" aria-label="States">
            ${placed.clusters.map(
              (cluster) => html`<rect key=${cluster.id} class=${`cluster is-${states[cluster.id]?.status ?? "notReached"}`} x=${cluster.x} y=${cluster.y} width=${cluster.width} height=${cluster.height} rx="10" />`,
            )}
            ${sortedEdges(placed.edges, states).map(
              ({ edge, taken }) => html`<path key=${`${edge.from} ${edge.to} ${edge.kind}`} class=${`edge ${edge.kind} ${taken ? "taken" : ""}`} d=${curve(edge.points)}>
                ${edge.label && html`<title>${edge.label}</title>`}
              </path>`,
            )}
            ${placed.nodes.map(
              (one) => html`<${Node} key=${one.id} place=${one} state=${states[one.id]} selected=${one.id === selected} onSelect=${onSelect} onMove=${(key) => focusNext(view.current, placed.nodes, one, key)} />`,
            )}
            ${placed.edges
              .filter((edge) => edge.from === selected && edge.label)
              .map((edge) => {
                const end = edge.points.at(-1);
                return html`<text key=${`${edge.to} ${edge.kind}`} class="edge-label" x=${end.x} y=${end.y - 5} text-anchor="middle">${clip(edge.label, 26)}</text>`;
              })}
          </svg>
        </div>`}
  </section>`;
}

function firstState({ nodes, edges }) {
  const start = nodes.find(({ type }) => type === "Start");
  return edges.find(({ from }) => from === start?.id)?.to ?? null;
}

/** Scroll so that the whole of a node is in sight, if it is not. */
function scrollTo(box, { x, y, width }, scale) {
  const [left, top] = [(x + MARGIN) * scale, (y + MARGIN) * scale];
  const [right, bottom] = [left + width * scale, top + NODE_HEIGHT * scale];
  const inside = left >= box.scrollLeft && right <= box.scrollLeft + box.clientWidth
    && top >= box.scrollTop && bottom <= box.scrollTop + box.clientHeight;
  if (!inside) box.scrollTo({ left: (left + right - box.clientWidth) / 2, top: (top + bottom - box.clientHeight) / 2 });
}

export const clip = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** What was taken is drawn over what was not. */
function sortedEdges(edges, states) {
  return edges
    .map((edge) => ({ edge, taken: isTaken(edge, states) }))
    .sort((a, b) => a.taken - b.taken);
}

function isTaken(edge, states) {
  const from = states[edge.from];
  if (!from) return false;
  if (edge.kind === "leave") return from.status === "succeeded"; // what is caught goes elsewhere
  if (!from.taken.includes(edge.to)) return false;
  return edge.kind === "catch" ? from.status === "caught" : from.status !== "caught" || !from.error || edge.kind === "branch";
}

/** "312 ✓ · 2 ✕ · 5 ▶ of 319" */
export function mapCounts({ total, succeeded, failed, running }) {
  const parts = [succeeded && `${succeeded} ✓`, failed && `${failed} ✕`, running && `${running} ▶`].filter(Boolean);
  return `${parts.join(" · ") || "0"} of ${total}`;
}

function describe(node, state) {
  const parts = [node.name, node.callback ? `${node.type}, waits for a callback` : node.type];
  if (state) parts.push(statusOf(state.status).word.toLowerCase());
  if (state?.map) parts.push(`${state.map.succeeded} succeeded, ${state.map.failed} failed, ${state.map.running} running of ${state.map.total}`);
  if (state?.attempts > state?.visits) parts.push(`${state.attempts} attempts`);
  if (state?.error) parts.push(state.error);
  return parts.join(", ");
}

// The texts are beside the button, which has them in its name: a name on screen may be cut short.
function Node({ place, state, selected, onSelect, onMove }) {
  const { node, x, y, width, height, head, id } = place;
  const status = state?.status ?? "none";
  const sub = head ? (state?.map ? mapCounts(state.map) : node.type) : "";
  const retried = state && state.attempts > state.visits ? `${state.attempts}×` : state?.visits > 1 && !state.map ? `${state.visits}×` : "";
  const press = (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onSelect?.(id);
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      onMove(event.key);
    }
  };
  return html`<g
    class=${`node is-${status} ${head ? "node-head" : ""} ${selected ? "selected" : ""}`}
    data-id=${id}
    transform=${`translate(${x} ${y})`}
    role="button"
    tabindex="0"
    aria-label=${describe(node, state)}
    aria-pressed=${selected}
    onClick=${() => onSelect?.(id)}
    onKeyDown=${press}
  >
    <title>${describe(node, state)}</title>
    <rect width=${width} height=${height} rx="8" />
    ${status !== "none" && status !== "notReached" && html`<path class="shape" transform="translate(9 9)" d=${SHAPES[status]} />`}
  </g>
  <g class=${`extra is-${status}`} transform=${`translate(${x} ${y})`} aria-hidden="true">
    <text class="name" x=${status === "none" || status === "notReached" ? 20 : 29} y="20.5">${clip(node.name, 34)}</text>
    ${sub && html`<text class="sub" x=${nodeWidth(node.name) - 2} y="20.5">${sub}</text>`}
    ${retried &&
    html`<g class="badge" transform=${`translate(${width - 6} 0)`}><rect x="-15" y="-8" width="30" height="16" rx="8" /><text y="4" text-anchor="middle">${retried}</text></g>`}
  </g>`;
}

export function focusNext(view, nodes, from, key) {
  const vertical = key === "ArrowDown" || key === "ArrowUp";
  const forward = key === "ArrowDown" || key === "ArrowRight" ? 1 : -1;
  const centre = ({ x, y, width, height }) => [x + width / 2, y + height / 2];
  const [x, y] = centre(from);
  let best = null;
  for (const node of nodes) {
    const [dx, dy] = [centre(node)[0] - x, centre(node)[1] - y];
    const [along, aside] = vertical ? [dy * forward, Math.abs(dx)] : [dx * forward, Math.abs(dy)];
    if (along <= 4 || (!vertical && aside > along)) continue;
    const cost = along + aside * 2;
    if (!best || cost < best.cost) best = { cost, id: node.id };
  }
  if (best) [...view.querySelectorAll(".node")].find((element) => element.dataset.id === best.id)?.focus();
}

export function useZoomAndPan(view, scale, setZoom, table) {
  const latest = useRef(scale);
  latest.current = scale;
  useEffect(() => {
    const box = view.current;
    if (!box) return undefined;
    const wheel = (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      setZoom(Math.min(MOST, Math.max(LEAST, latest.current * Math.exp(-event.deltaY / 300))));
    };
    let drag = null;
    const down = (event) => {
      if (event.button || event.pointerType === "touch" || event.target.closest(".node")) return;
      drag = { x: event.clientX + box.scrollLeft, y: event.clientY + box.scrollTop };
      box.setPointerCapture(event.pointerId);
    };
    const move = (event) => drag && box.scrollTo(drag.x - event.clientX, drag.y - event.clientY);
    const up = () => (drag = null);
    const handlers = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: up };
    box.addEventListener("wheel", wheel, { passive: false });
    for (const [name, handler] of Object.entries(handlers)) box.addEventListener(name, handler);
    return () => {
      box.removeEventListener("wheel", wheel);
      for (const [name, handler] of Object.entries(handlers)) box.removeEventListener(name, handler);
    };
  }, [table]);
}

/** The same as the graph, to be read. */
function StateTable({ graph, states, selected, onSelect }) {
  const names = Object.fromEntries(graph.nodes.map(({ id, name }) => [id, name]));
  return html`<div class="state-table">
    <table>
      <thead><tr><th>State</th><th>Type</th><th>Status</th><th>Attempts</th><th>Took</th><th>Then</th></tr></thead>
      <tbody>
        ${graph.nodes
          .filter(({ type }) => type !== "Start" && type !== "End")
          .map((node) => {
            const state = states[node.id];
            const next = graph.edges.filter(({ from, to }) => from === node.id && (!state || state.taken.includes(to)));
            return html`<tr key=${node.id} class=${node.id === selected ? "selected" : ""}>
              <th scope="row"><button class="link" onClick=${() => onSelect?.(node.id)}>${node.name}</button>${node.cluster && html` <span class="muted">in ${names[node.cluster]}</span>`}</th>
              <td>${node.type}</td>
              <td>${state && html`<${StatusIcon} of=${state.status} /> ${statusOf(state.status).word}${state.map && html`, ${mapCounts(state.map)}`}`}</td>
              <td class="number">${state?.attempts || ""}</td>
              <td>${state?.startedAt && html`<${Duration} from=${state.startedAt} to=${state.stoppedAt} />`}</td>
              <td>${[...new Set(next.map(({ to }) => names[to]))].join(", ")}</td>
            </tr>`;
          })}
      </tbody>
    </table>
  </div>`;
}
