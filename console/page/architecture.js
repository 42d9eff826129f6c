// Architecture: the parts of the stack, how they are connected, and what went through.

import { useData } from "./api.js";
import { HEIGHT, layout } from "./architecture-layout.js";
import { focusNext, useZoomAndPan } from "./graph.js";
import { curve, textWidth } from "./graph-layout.js";
import { Icon, SHAPES } from "./icons.js";
import { neighbour, useKeys } from "./keyboard.js";
import { useLiveData } from "./live-data.js";
import { Problems } from "./problems.js";
import { address, setQuery, withQuery } from "./router.js";
import { useTitle } from "./shell.js";
import { Empty, Failure, Loading } from "./states.js";
import { Time } from "./time.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./view.js";

const MARGIN = 16;
const SMALLEST = 0.25;
const READABLE = 0.75; // what is smaller is panned, not read

// Drawn in a square of 14, as the shapes of statuses are.
const KINDS = {
  api: ["APIs", "API", "M5 3.5L1.5 7 5 10.5M9 3.5L12.5 7 9 10.5"],
  bucket: ["Buckets", "bucket", "M2 3.5h10L10.8 12H3.2zM2 3.5c0-1.3 10-1.3 10 0"],
  bus: ["Buses", "event bus", "M1.5 7h11M4 7V3.5M10 7V3.5M7 7v3.5"],
  rule: ["Rules", "rule", "M2 2.5h10L8.2 7.2v4.3L5.8 10V7.2z"],
  schedule: ["Schedules", "schedule", "M7 1.8a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 7 1.8M7 4.2V7l2 1.4"],
  machine: ["Workflows", "state machine", "M5 1.8h4v3H5zM1.8 9.2h4v3h-4zM8.2 9.2h4v3h-4zM7 4.8v2.2M3.8 9.2V7h6.4v2.2"],
  function: ["Functions", "function", "M3 2h1.8L10.6 12H12M6.4 5.4L3 12"],
  queue: ["Queues", "queue", "M2 3.5v7M5 3.5v7M8 3.5v7M10.5 5.5L12.5 7l-2 1.5"],
  topic: ["Topics", "topic", "M2 5.5v3h2l4 3v-9l-4 3zM10 5a3 3 0 0 1 0 4"],
  table: ["Tables", "table", "M2 2.5h10v9H2zM2 5.5h10M2 8.5h10M6 5.5v6"],
  service: ["Other services", "service", "M7 1.8l4.5 2.6v5.2L7 12.2 2.5 9.6V4.4z"],
  outside: ["Outside", "outside of the stack", "M7 1.8a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 7 1.8M1.8 7h10.4M7 1.8c-3 3-3 7.4 0 10.4c3-3 3-7.4 0-10.4"],
};
const KIND = {
  invokes: "invokes",
  events: "events",
  notifies: "notifies",
  reads: "is read by",
  starts: "starts",
  sends: "calls",
  requests: "requests",
  fails: "failures go to",
  uses: "by a variable",
};
const UNIT = { machine: ["run", "runs"], function: ["invocation", "invocations"], queue: ["message now", "messages now"], topic: ["message", "messages"], rule: ["event", "events"], bus: ["event", "events"] };

const unit = (kind, count) => (UNIT[kind] ?? ["", ""])[count === 1 ? 0 : 1];
const short = (count) => (count >= 10_000 ? `${Math.round(count / 1000)}k` : count >= 1000 ? `${(count / 1000).toFixed(1)}k` : String(count));

export function Page({ query }) {
  useTitle("Architecture");
  const hours = query.hours === "24" ? 24 : 1;
  const { data, error, reload } = useLiveData("architecture", { hours }, { after: 2500, names: ["runs", "events", "metrics"] });
  return html`<div class="architecture-page">
    <div class="head"><h1>Architecture</h1></div>
    ${error && !data
      ? html`<section class="card"><${Failure} error=${error} retry=${reload} what="the architecture" /></section>`
      : !data
        ? html`<section class="card"><${Loading} what="the stack's parts" /></section>`
        : data.nodes.some(({ own }) => own)
          ? html`<${Problems} problems=${data.problems} /><${Architecture} data=${data} query=${query} />`
          : html`<${Problems} problems=${data.problems} /><section class="card"><${Empty} title="The stack has nothing to show">
              <p>It has no function, state machine, rule, bus, queue, topic, table, bucket or API.</p>
            <//></section>`}
  </div>`;
}

function Architecture({ data, query }) {
  const workflows = data.nodes.filter(({ kind, own }) => kind === "machine" && own);
  const workflow = workflows.some(({ name }) => name === query.workflow) ? query.workflow : null;
  const withFailures = query.failures === "1";
  const nodes = workflow ? data.nodes.filter((node) => node.workflows.includes(workflow)) : data.nodes;
  const edges = data.edges.filter(({ kind }) => withFailures || kind !== "fails");
  const selected = nodes.some(({ id }) => id === query.part) ? query.part : null;
  const select = (part) => setQuery({ part: part === selected ? null : part });
  const [text, setText] = useState("");
  const listed = useMemo(() => inOrder(nodes, text), [nodes, text]);
  const move = (by) => {
    const next = neighbour(listed, listed.findIndex(({ id }) => id === selected), by);
    if (next) setQuery({ part: next.id });
  };
  useKeys({
    j: { help: "Next part", run: () => move(1) },
    k: { help: "Previous part", run: () => move(-1) },
    "/": {
      help: "Search the parts",
      run: () => {
        const focus = () => document.getElementById("parts-text")?.focus();
        setQuery({ part: null });
        focus();
        requestAnimationFrame(focus); // the list may come only now
      },
    },
    Escape: { help: "Select nothing", run: () => setQuery({ part: null }) },
  });
  return html`<div class="filters">
      <select aria-label="Workflow" value=${workflow ?? ""} onChange=${(event) => setQuery({ workflow: event.currentTarget.value, part: null })}>
        <option value="">The whole stack</option>
        ${workflows.map(({ name, title }) => html`<option key=${name} value=${name}>Around ${title}</option>`)}
      </select>
      <select aria-label="Traffic of" value=${String(data.hours)} onChange=${(event) => setQuery({ hours: event.currentTarget.value === "1" ? null : event.currentTarget.value })}>
        <option value="1">Last hour</option>
        <option value="24">Last 24 hours</option>
      </select>
      <label class="check"><input type="checkbox" checked=${withFailures} onChange=${() => setQuery({ failures: withFailures ? null : "1" })} /> Where failures go</label>
      <${Legend} hasEventLog=${data.hasEventLog} />
    </div>
    <div class="architecture">
      <${StackGraph} nodes=${nodes} edges=${edges} selected=${selected} onSelect=${select} />
      ${selected
        ? html`<${Part} key=${selected} data=${data} id=${selected} />`
        : html`<${Parts} listed=${listed} text=${text} setText=${setText} hours=${data.hours} />`}
    </div>`;
}

function Legend({ hasEventLog }) {
  return html`<p class="legend muted">
    <span><svg width="34" height="8" aria-hidden="true"><path class="flow seen" d="M0 4H34" stroke-width="3" /></svg> traffic</span>
    <span><svg width="34" height="8" aria-hidden="true"><path class="flow" d="M0 4H34" stroke-width="1.5" /></svg> ${hasEventLog ? "none seen" : "none measured"}</span>
    <span><svg width="34" height="8" aria-hidden="true"><path class="flow uses" d="M0 4H34" stroke-width="1.5" /></svg> by a variable</span>
    <span class="is-failed"><svg class="icon" width="12" height="12" viewBox="0 0 14 14" aria-hidden="true"><path d=${SHAPES.failed} /></svg> failures</span>
  </p>`;
}

// ---- the graph ----------------------------------------------------------------------------------

const NOT_PLACED = { width: 0, height: 0, nodes: [], edges: [] };

/** Where the parts go. Found and drawn in two tasks of their own, so that the browser can answer between them. */
function usePlaced(nodes, edges) {
  const key = JSON.stringify([nodes.map(({ id }) => id), edges.map(({ from, to, kind }) => [from, to, kind])]);
  const [placed, setPlaced] = useState(NOT_PLACED);
  useEffect(() => {
    let timer = setTimeout(() => {
      timer = setTimeout(setPlaced, 0, layout(nodes, edges));
    });
    return () => clearTimeout(timer);
  }, [key]);
  return placed;
}

function StackGraph({ nodes, edges, selected, onSelect }) {
  const placed = usePlaced(nodes, edges);
  const byId = useMemo(() => new Map(nodes.map((node) => [node.id, node])), [nodes]);
  const byEnds = useMemo(() => new Map(edges.map((edge) => [`${edge.from} ${edge.to}`, edge])), [edges]);
  const [zoom, setZoom] = useState("fit");
  const [room, setRoom] = useState(null);
  const view = useRef(null);
  const [width, height] = [placed.width + 2 * MARGIN, placed.height + 2 * MARGIN];
  const fit = room ? Math.max(READABLE, Math.min(1, room.width / width, room.height / height)) : READABLE;
  const scale = zoom === "fit" ? fit : zoom;

  useLayoutEffect(() => {
    const measure = () => setRoom({ width: view.current.clientWidth, height: view.current.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(view.current);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const node = placed.nodes.find(({ id }) => id === selected);
    if (!node) return;
    const box = view.current;
    const [x, y] = [(node.x + node.width / 2 + MARGIN) * scale, (node.y + HEIGHT / 2 + MARGIN) * scale];
    const half = (node.width / 2) * scale;
    const inside = x - half > box.scrollLeft && x + half < box.scrollLeft + box.clientWidth && y > box.scrollTop + 20 && y < box.scrollTop + box.clientHeight - 20;
    if (!inside) box.scrollTo({ left: x - box.clientWidth / 2, top: y - box.clientHeight / 2 });
  }, [selected, scale, placed]);
  // A small window begins where something happens, not at an empty corner.
  useEffect(() => {
    const machines = placed.nodes.filter(({ node }) => node.kind === "machine");
    const first = machines.find(({ node }) => node.failures) ?? machines[0] ?? placed.nodes[0];
    if (selected !== null || !first || !room || room.width > 700) return;
    view.current.scrollTo({ left: (first.x + MARGIN) * scale - 40, top: (first.y + MARGIN) * scale - room.height / 3 });
  }, [placed, room !== null]);
  useZoomAndPan(view, scale, setZoom, false);

  const near = new Set([selected]);
  for (const { from, to } of edges) {
    if (from === selected) near.add(to);
    if (to === selected) near.add(from);
  }
  const whole = room ? Math.max(SMALLEST, Math.min(1, room.width / width, room.height / height)) : fit;
  const dim = (...ids) => selected !== null && !ids.every((id) => near.has(id));
  return html`<section class="card graph architecture-graph" aria-label="Graph of the stack">
    <header>
      <h2>The stack</h2>
      <div class="right tools">
        <button class="quiet small" aria-label="Zoom out" onClick=${() => setZoom(Math.max(SMALLEST, scale / 1.2))}>−</button>
        <button class="quiet small percent" title="Readable, or the whole graph" aria-label=${`Show the whole graph, now ${Math.round(scale * 100)} %`} aria-pressed=${zoom === "fit"} onClick=${() => setZoom(zoom === "fit" && whole < fit ? whole : "fit")}>${Math.round(scale * 100)} %</button>
        <button class="quiet small" aria-label="Zoom in" onClick=${() => setZoom(Math.min(2, scale * 1.2))}>+</button>
      </div>
    </header>
    <div class="graph-view" ref=${view} tabindex="-1">
      ${placed === NOT_PLACED
        ? null
        : placed.nodes.length === 0
        ? html`<${Empty} title="Nothing is connected"><p>The parts are in the list.</p><//>`
        : html`<svg width=${width * scale} height=${height * scale} viewBox=${`${-MARGIN} ${-MARGIN} ${width} ${height}`} role="group" aria-label="Parts">
            ${placed.edges.map(({ edge, points }) => {
              const now = byEnds.get(`${edge.from} ${edge.to}`) ?? edge;
              return html`<${Flow} key=${`${edge.from} ${edge.to}`} edge=${now} points=${points} chosen=${selected !== null && !dim(edge.from, edge.to) && (edge.from === selected || edge.to === selected)} dim=${selected !== null && edge.from !== selected && edge.to !== selected} titles=${byId} />`;
            })}
            ${placed.nodes.map(
              (place) => html`<${Node} key=${place.id} place=${place} node=${byId.get(place.id) ?? place.node} selected=${place.id === selected} dim=${dim(place.id)} onSelect=${onSelect} onMove=${(direction) => focusNext(view.current, placed.nodes, place, direction)} />`,
            )}
            ${selected !== null && placed.edges.filter(({ edge }) => edge.from === selected || edge.to === selected).map(({ edge, points }) => {
              const now = byEnds.get(`${edge.from} ${edge.to}`) ?? edge;
              if (!now.count) return null;
              const end = edge.to === selected ? points[0] : points.at(-1);
              const side = (points[0].x < points.at(-1).x ? 1 : -1) * (edge.to === selected ? 1 : -1); // where the line is
              return html`<text key=${`count ${edge.from} ${edge.to}`} class="edge-label number" x=${end.x + side * 8} y=${end.y - 5} text-anchor=${side > 0 ? "start" : "end"}>${short(now.count)}</text>`;
            })}
          </svg>`}
    </div>
  </section>`;
}

const thickness = (count) => (count ? Math.min(5, 1.6 + Math.log10(count + 1) * 0.9) : 1.4);

function Flow({ edge, points, chosen, dim, titles }) {
  const { from, to, kind, label, count, failures } = edge;
  const [a, b] = [titles.get(from)?.title ?? from, titles.get(to)?.title ?? to];
  const said = [`${a} ${KIND[kind]} ${b}`, label, count !== null && `${count} times`, failures > 0 && `${failures} failed`].filter(Boolean).join("\n");
  const end = points.at(-1);
  const way = points[0].x < end.x ? 1 : -1;
  return html`<g class=${`flow-group ${dim ? "dim" : ""}`}>
    <path class=${`flow ${kind} ${count ? "seen" : ""} ${failures ? "failing" : ""} ${chosen ? "chosen" : ""}`} d=${curve(points, "x")} stroke-width=${thickness(count)}><title>${said}</title></path>
    <path class=${`arrow ${count ? "seen" : ""} ${failures ? "failing" : ""}`} transform=${`translate(${end.x} ${end.y}) scale(${way} 1)`} d="M0 0l-6 -3.5v7z" />
    ${failures > 0 && html`<g transform=${`translate(${end.x - way * 16} ${end.y})`}><circle class="cross-back" r="7" /><path class="cross" transform="translate(-4.9 -4.9) scale(.7)" d=${SHAPES.failed} /></g>`}
  </g>`;
}

function describe({ kind, title, count, failures, own }) {
  const parts = [title, (KINDS[kind] ?? KINDS.service)[1]];
  if (count !== null) parts.push(`${count} ${unit(kind, count)}`);
  if (failures) parts.push(`${failures} failed`);
  if (!own && kind !== "outside") parts.push("not of this stack");
  return parts.join(", ");
}

const cut = new Map();

/** As much of a text as fits. Measuring takes time, so each text is measured once. */
function fitted(text, width) {
  const key = `${width} ${text}`;
  if (!cut.has(key)) {
    let shown = text;
    for (let length = text.length - 1; length > 1 && textWidth(shown) > width; length -= 1) shown = `${text.slice(0, length)}…`;
    cut.set(key, shown);
  }
  return cut.get(key);
}

// The texts are beside the button, which has them in its name: a name on screen may be cut short.
function Node({ place, node, selected, dim, onSelect, onMove }) {
  const press = (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onSelect(place.id);
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      onMove(event.key);
    }
  };
  const count = node.count ? short(node.count) : "";
  return html`<g
    class=${`node part kind-${node.kind} ${node.failures ? "is-failed failing" : "is-none"} ${selected ? "selected" : ""} ${dim ? "dim" : ""} ${node.own ? "" : "foreign"}`}
    data-id=${place.id}
    transform=${`translate(${place.x} ${place.y})`}
    role="button"
    tabindex="0"
    aria-label=${describe(node)}
    aria-pressed=${selected}
    onClick=${() => onSelect(place.id)}
    onKeyDown=${press}
  >
    <title>${describe(node)}</title>
    <rect width=${place.width} height=${place.height} rx="7" />
  </g>
  <g class=${`part-extra kind-${node.kind} ${node.failures ? "failing" : ""} ${dim ? "dim" : ""}`} data-of=${place.id} transform=${`translate(${place.x} ${place.y})`} aria-hidden="true">
    <path class="glyph" transform="translate(8 8)" d=${(KINDS[node.kind] ?? KINDS.service)[2]} />
    <text class="name" x="29" y="19.5">${fitted(node.title, place.width - 40 - (count ? 12 + 7 * count.length : 0))}</text>
    ${count && html`<text class="sub" x=${place.width - 9} y="19.5" text-anchor="end">${count}</text>`}
    ${node.failures > 0 &&
    html`<g class="failures" transform=${`translate(${place.width - 14} 0)`}>
      <rect x="-20" y="-8" width="40" height="16" rx="8" /><path class="shape" transform="translate(-15 -4.9) scale(.7)" d=${SHAPES.failed} /><text x="14" y="4" text-anchor="end">${short(node.failures)}</text>
    </g>`}
  </g>`;
}

// ---- beside the graph ---------------------------------------------------------------------------

const ORDER = Object.keys(KINDS);

function inOrder(nodes, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return nodes
    .filter(({ title, kind }) => words.every((word) => `${title} ${kind}`.toLowerCase().includes(word)))
    .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.title.localeCompare(b.title));
}

/** All parts, by kind: also for whoever cannot see the graph. */
function Parts({ listed, text, setText, hours }) {
  const kinds = [...new Set(listed.map(({ kind }) => kind))];
  return html`<section class="card panel parts" aria-label="Parts">
    <header><input id="parts-text" type="search" placeholder="Search parts" aria-label="Search parts by name or kind" value=${text} onInput=${(event) => setText(event.currentTarget.value)} /></header>
    <div class="panel-body" tabindex="0" role="group" aria-label="List of parts">
      ${listed.length === 0 && html`<${Empty} title="No part matches"><button onClick=${() => setText("")}>Clear the search</button><//>`}
      ${kinds.map(
        (kind) => html`<section key=${kind} class="panel-section">
          <h3>${(KINDS[kind] ?? KINDS.service)[0]}</h3>
          <ul class="part-list">
            ${listed.filter((node) => node.kind === kind).map((node) => html`<li key=${node.id}>
              <a class="part-link" href=${withQuery({ part: node.id })}>
                <span class="part-title">${node.title}</span>
                <span class="part-counts number">
                  ${node.failures > 0 && html`<span class="bad"><${Icon} shape="failed" size=${11} /><span class="visually-hidden">failed: </span>${short(node.failures)}</span>`}
                  ${node.count !== null && node.count > 0 && html`<span>${short(node.count)} ${unit(kind, node.count)}</span>`}
                </span>
              </a>
            </li>`)}
          </ul>
        </section>`,
      )}
      <p class="hint-line">Counts are of the last ${hours === 1 ? "hour" : `${hours} hours`}; messages in queues of now.</p>
    </div>
  </section>`;
}

/** What is known of the selected part. */
function Part({ data, id }) {
  const node = data.nodes.find((one) => one.id === id);
  const byId = new Map(data.nodes.map((one) => [one.id, one]));
  const [into, out] = [data.edges.filter(({ to }) => to === id), data.edges.filter(({ from }) => from === id)];
  return html`<section class="card panel part-panel" aria-label=${node.title}>
    <header><h2>${node.title}</h2><div class="right"><a href=${withQuery({ part: null })}>All parts</a></div></header>
    <div class="panel-body" tabindex="0" role="group" aria-label=${node.title}>
      <dl class="facts">
        <dt>Kind</dt><dd>${(KINDS[node.kind] ?? KINDS.service)[1]}${!node.own && node.kind !== "outside" && html` <span class="muted">not of this stack</span>`}</dd>
        ${node.kind !== "outside" && html`<dt>Name</dt><dd><code>${node.name}</code></dd>`}
        ${node.count !== null && html`<dt>Traffic</dt><dd class="number">${node.count} ${unit(node.kind, node.count)}${node.kind !== "queue" && html` <span class="muted">in ${data.hours === 1 ? "the last hour" : `${data.hours} hours`}</span>`}</dd>`}
        ${node.failures > 0 && html`<dt>Failures</dt><dd class="bad number"><${Icon} shape="failed" /> ${node.failures}</dd>`}
        ${node.kind === "function" && node.own && html`<${LastError} name=${node.name} failures=${node.failures} />`}
        ${node.links.length > 0 && html`<dt>See</dt><dd class="see">${node.links.map(({ title, href }) => html`<a key=${href} href=${href}>${title}</a>`)}</dd>`}
      </dl>
      <${Ends} title="Comes from" edges=${into} end="from" byId=${byId} />
      <${Ends} title="Leads to" edges=${out} end="to" byId=${byId} />
      ${!into.length && !out.length && html`<p class="hint-line">AWS's APIs tell of no connection with another part.</p>`}
    </div>
  </section>`;
}

function LastError({ name, failures }) {
  const { data, reload } = useData("functions", { name });
  useEffect(() => {
    if (!data?.reading) return undefined;
    const timer = setTimeout(reload, 800);
    return () => clearTimeout(timer);
  }, [data]);
  useEffect(() => reload(), [failures]);
  const last = data?.functions[0]?.lastError;
  return html`<dt>Last error</dt>
    <dd>${!data || data.reading
      ? html`<span class="muted">…</span>`
      : data.problems.length
        ? html`<span class="muted">${data.problems[0].message}</span>`
        : !last
          ? html`<span class="muted">none in 24 hours</span>`
          : html`<span class="bad">${last.text}</span> <span class="muted"><${Time} at=${last.at} /></span>${last.run && html` <a href=${address(["runs", last.run])}>Run</a>`}`}</dd>`;
}

function Ends({ title, edges, end, byId }) {
  if (!edges.length) return null;
  return html`<section class="panel-section">
    <h3>${title}</h3>
    <ul class="part-list">
      ${edges.map((edge) => {
        const other = byId.get(edge[end]);
        return html`<li key=${edge[end]}>
          <a class="part-link" href=${withQuery({ part: edge[end], ...(edge.kind === "fails" && { failures: "1" }) })}>
            <span class="part-title">${other?.title ?? edge[end]} <span class="muted">${(KINDS[other?.kind] ?? KINDS.service)[1]}</span></span>
            <span class="part-counts number">
              ${edge.failures > 0 && html`<span class="bad"><${Icon} shape="failed" size=${11} />${short(edge.failures)}</span>`}
              ${edge.count > 0 && html`<span>${short(edge.count)}</span>`}
            </span>
            <span class="part-how muted">${[KIND[edge.kind], edge.label].filter(Boolean).join(": ")}</span>
          </a>
        </li>`;
      })}
    </ul>
  </section>`;
}
