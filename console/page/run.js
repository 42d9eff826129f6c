// A run: its graph, its timeline, and whatever one selects in either.

import { connection, onLive, path, useData, watchRun } from "./api.js";
import { ErrorNote } from "./errors.js";
import { Graph } from "./graph.js";
import { History } from "./history.js";
import { Pill, statusOf, StatusIcon } from "./icons.js";
import { JsonView } from "./json-view.js";
import { neighbour, useKeys } from "./keyboard.js";
import { LinkList } from "./links.js";
import { Problems } from "./problems.js";
import { RunLog } from "./log.js";
import { grouped, size } from "./numbers.js";
import { Chain, Panel } from "./panel.js";
import { address, setQuery } from "./router.js";
import { RunActions } from "./run-actions.js";
import { useTitle } from "./shell.js";
import { Failure, Later, Loading } from "./states.js";
import { useStore } from "./store.js";
import { Table } from "./table.js";
import { Tabs } from "./tabs.js";
import { clock, Duration, exact, Time } from "./time.js";
import { Timeline } from "./timeline.js";
import { html, useEffect, useMemo } from "./view.js";

export function Page({ segments, query }) {
  const id = segments.join("/");
  const { data, error, reload } = useData(path("runs", id));
  useTitle(data?.run.label ?? id, data?.run.title);
  useEffect(() => {
    window.scrollTo(0, 0);
    watchRun(id);
    const stops = [onLive("run", (changed) => changed.id === id && reload()), onLive("resync", reload)];
    return () => {
      watchRun(null);
      stops.forEach((stop) => stop());
    };
  }, [id, reload]);
  if (error && !data) {
    return html`<div class="run">
      <p class="crumb"><a href=${address(["runs"])}>Runs</a></p>
      <${Failure} error=${error} retry=${error.status === 404 ? null : reload} what="this run" />
    </div>`;
  }
  return data ? html`<${Run} key=${id} data=${data} query=${query} reload=${reload} />` : html`<${Loading} what="the run" />`;
}

function Run({ data, query, reload }) {
  const { run, graph, states, timeline } = data;
  const { connected } = useStore(connection);
  const active = useMemo(() => activeState(graph, states), [graph, states]);
  const selected = selectedState(query.state, graph, active);
  const select = (state) => setQuery({ state, visit: null, ...(isInside(state, query.state) ? {} : { item: keptItem(state, query, graph) }) });
  const reached = graph.nodes.map(({ id }) => id).filter((id) => states[id]?.visits > 0 && !id.startsWith("$"));
  const move = (by) => {
    const next = neighbour(reached, reached.indexOf(selected), by);
    if (next) select(next);
  };
  const showLog = (changes = {}) => {
    setQuery({ ...changes, below: null });
    requestAnimationFrame(() => document.getElementById("log-text")?.focus());
  };
  useKeys({
    j: { help: "Next state", run: () => move(1) },
    k: { help: "Previous state", run: () => move(-1) },
    "/": { help: "Search the log", run: () => showLog() },
    u: { help: "Back to the runs", run: () => document.querySelector(".crumb a").click() },
  });

  return html`<div class="run">
    <${Header} data=${data} reload=${reload} />
    <${Problems} problems=${data.problems} />
    <div class=${`two ${graph.nodes.length > 14 ? "wide" : ""}`}>
      <${Later} place=${html`<div class="card"></div>`}>
        ${() => html`<${Graph} graph=${graph} states=${states} selected=${selected} onSelect=${select} active=${run.status === "RUNNING" ? active : null} />`}
      <//>
      <${Later} place=${html`<div class="card"></div>`}>${() => html`<${Panel} data=${data} query=${query} selected=${selected} />`}<//>
    </div>
    <${Later} place=${html`<div class="card timeline-place"></div>`}>
      ${() => html`<${Timeline} timeline=${timeline} selected=${selected} onSelect=${select} onFunction=${(title) => showLog({ function: title })} frozen=${connected === false} />`}
    <//>
    <${Later}>${() => html`<${Below} data=${data} query=${query} />`}<//>
  </div>`;
}

/** What is going on, or what went wrong: the innermost failed state, else one that waits or runs. */
function activeState(graph, states) {
  const order = ["failed", "waiting", "running"];
  const depth = ({ id }) => id.split("/").length;
  for (const status of order) {
    const found = graph.nodes.filter(({ id, type }) => states[id]?.status === status && !/Start|End/.test(type));
    const rank = (node) => [depth(node), node.type === "Fail" ? 0 : 1]; // the innermost; rather what failed than what says so
    if (found.length) return found.sort((a, b) => rank(b)[0] - rank(a)[0] || rank(b)[1] - rank(a)[1])[0].id;
  }
  return null;
}

function selectedState(asked, graph, active) {
  if (asked === "none") return null;
  return graph.nodes.some(({ id }) => id === asked) ? asked : active;
}

const isInside = (state, before) => Boolean(before) && (state.startsWith(`${before}/`) || before.startsWith(`${state}/`));

/** An item stays selected while one looks at states of the same Map. */
function keptItem(state, { item, state: before }, graph) {
  const clusterOf = (id) => graph.nodes.find((node) => node.id === id)?.cluster ?? null;
  return before && clusterOf(state) !== null && clusterOf(state) === clusterOf(before) ? item : null;
}

function Header({ data, reload }) {
  const { run, trigger, leftBehind, payload, history } = data;
  const { status, word } = statusOf(run);
  const where = run.status === "RUNNING" ? run.states.join(", ") : run.failedState;
  return html`<div class="run-header">
    <p class="crumb"><a href=${address(["runs"])}>Runs</a> / <a href=${address(["runs"], { workflow: run.workflow })}>${run.title}</a>${run.parent && html` / <a href=${address(["runs", run.parent.id ?? run.parent])}>${run.parent.label ?? "parent"}</a>`}</p>
    <div class="head">
      <h1>${run.label}</h1>
      <${Pill} of=${run}>${where ? `${word} in ${where}` : word}<//>
      <${RunActions} data=${data} onChange=${reload} />
    </div>
    ${run.error && html`<${ErrorNote} error=${run.error} cause=${run.cause} status=${status} />`}
    <div class="meta">
      <span>Started <b class="number" title=${exact(run.startedAt)}>${clock(run.startedAt)}</b>${run.stoppedAt && html`, <${Time} at=${run.startedAt} />`}</span>
      <span>${run.stoppedAt ? "Took" : "Running for"} <b><${Duration} from=${run.startedAt} to=${run.stoppedAt} /></b></span>
      ${trigger.length > 0 && html`<span>Started by <${Chain} links=${trigger} /></span>`}
      ${leftBehind.length > 0 && html`<span>Left behind <${LinkList} links=${leftBehind} /></span>`}
      <${Payload} payload=${payload} />
      <span>History <b class="number">${grouped(history.count)}</b> of ${grouped(history.limit)}${history.complete ? "" : ", reading …"}</span>
    </div>
  </div>`;
}

function Payload({ payload: { bytes, limit, state } }) {
  const part = Math.min(1, bytes / limit);
  const tone = part > 0.9 ? "failed" : part > 0.6 ? "waiting" : "succeeded";
  const text = size(bytes);
  return html`<span title=${state ? `The largest payload of the run, at ${state}` : undefined}>
    Payload <span class=${`meter is-${tone}`} role="img" aria-label=${`${text} of ${limit / 1024} KiB`}><i style=${{ width: `${Math.max(2, part * 100)}%` }}></i></span>
    <b class="number">${text}</b> of ${limit / 1024}
  </span>`;
}

function Below({ data, query }) {
  const { run, children } = data;
  const tabs = [
    ["log", "Log"],
    ["history", "History"],
    ...(children.length ? [["children", `Child executions ${children.length}`]] : []),
    ["json", "JSON"],
  ];
  const tab = tabs.some(([key]) => key === query.below) ? query.below : "log";
  return html`<section class="card below" aria-label="Log, history and JSON">
    <header><${Tabs} tabs=${tabs} current=${tab} label="Log, history and JSON" panel="below" onSelect=${(key) => setQuery({ below: key === "log" ? null : key })} /></header>
    <div id="below" role="tabpanel" aria-label=${tabs.find(([key]) => key === tab)[1]}>
      ${tab === "log" && html`<${RunLog} id=${run.id} revision=${run.revision} of=${query.function ?? ""} />`}
      ${tab === "history" && html`<${History} id=${run.id} revision=${run.revision} />`}
      ${tab === "children" && html`<${Children} runs=${children} />`}
      ${tab === "json" && html`<${Raw} id=${run.id} />`}
    </div>
  </section>`;
}

const CHILD_COLUMNS = [
  { key: "status", title: html`<span class="visually-hidden">Status</span>`, width: "14px", cell: (run) => html`<${StatusIcon} of=${run} />` },
  { key: "name", title: "Run", width: "minmax(0, 2fr)", action: true, cell: (run) => run.label },
  { key: "workflow", title: "Workflow", width: "minmax(0, 1fr)", cell: (run) => run.title },
  { key: "error", title: "Error", width: "minmax(0, 1fr)", cell: (run) => run.error && html`<span class="where is-failed">${run.error}</span>` },
  { key: "duration", title: "Duration", width: "84px", align: "right", cell: (run) => html`<${Duration} from=${run.startedAt} to=${run.stoppedAt} />` },
];

const Children = ({ runs }) =>
  html`<${Table} label="Child executions" keys=${false} columns=${CHILD_COLUMNS} rows=${runs} rowKey=${({ id }) => id} href=${({ id }) => address(["runs", id])} />`;

function Raw({ id }) {
  const { data, error, reload } = useData(path("runs", id, "raw"));
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} what="the JSON" />`;
  return data ? html`<${JsonView} value=${data} label="The run as JSON" />` : html`<${Loading} what="JSON" />`;
}
