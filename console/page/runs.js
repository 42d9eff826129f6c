// Runs: all workflows, newest first, live.

import { get, onLive, useData } from "./api.js";
import { Choice, SearchField } from "./filters.js";
import { statusOf, StatusIcon } from "./icons.js";
import { useKeys } from "./keyboard.js";
import { Listing } from "./listing.js";
import { Problems } from "./problems.js";
import { address, savedScroll, setQuery, withQuery } from "./router.js";
import { useTitle } from "./shell.js";
import { Spark } from "./spark.js";
import { Empty } from "./states.js";
import { Duration, Time } from "./time.js";
import { html, useCallback, useEffect, useMemo, useRef, useState } from "./view.js";

const PAGE = 200;
const STATUSES = [
  ["RUNNING", "Running"],
  ["SUCCEEDED", "Succeeded"],
  ["FAILED", "Failed"],
  ["TIMED_OUT", "Timed out"],
  ["ABORTED", "Stopped"],
];

export function Page({ query }) {
  useTitle("Runs");
  const filter = { workflow: query.workflow ?? "", status: query.status ?? "", text: query.text ?? "" };
  const filtered = Boolean(filter.workflow || filter.status || filter.text);
  const { runs, workflows, problems, error, reload, more, held, showHeld } = useRuns(filter);

  useKeys({ "/": { help: "Search", run: () => document.getElementById("runs-text").focus() } });
  return html`<div class="runs">
    <div class="head"><h1>Runs</h1></div>
    <${Problems} problems=${problems} />
    <${Workflows} workflows=${workflows} current=${filter.workflow} />
    <section class="card" aria-label="Runs">
      <header><${Filters} filter=${filter} filtered=${filtered} workflows=${workflows} /></header>
      ${held > 0 &&
      html`<button class="held" onClick=${showHeld}>${held === 1 ? "1 new run" : `${held} new runs`} above</button>`}
      <${Listing} what="the runs" label="Runs, newest first" noun="run" columns=${COLUMNS} rows=${runs} error=${error} reload=${reload} href=${(run) => address(["runs", run.id])} onEnd=${more}>
        ${filtered
          ? html`<${Empty} title="No run matches the filter">
              <p>Runs that match appear here as they start.</p>
              <button onClick=${clear}>Clear the filter</button>
            <//>`
          : html`<${Empty} title="No runs yet"><p>Start one: <code>make demo</code> runs every workflow. It appears here by itself.</p><//>`}
      <//>
    </section>
  </div>`;
}

const COLUMNS = [
  { key: "status", title: html`<span class="visually-hidden">Status</span>`, width: "14px", cell: (run) => html`<${StatusIcon} of=${run} />` },
  { key: "workflow", title: "Workflow", width: "minmax(0, 1fr)", cell: (run) => run.title },
  { key: "name", title: "Run", width: "minmax(0, 2fr)", action: true, cell: (run) => html`<span title=${run.name}>${run.label}</span>` },
  { key: "state", title: "State", width: "minmax(0, 2fr)", cell: (run) => html`<${Where} run=${run} />` },
  { key: "started", title: "Started", width: "108px", cell: (run) => html`<${Time} at=${run.startedAt} />` },
  { key: "duration", title: "Duration", width: "96px", align: "right", cell: (run) => html`<${Duration} from=${run.startedAt} to=${run.stoppedAt} />` },
];

/** Where the run is, or how it ended. */
function Where({ run }) {
  const { status, word } = statusOf(run);
  if (run.states?.length && run.status === "RUNNING") {
    const names = run.states.join(", ");
    return html`<span class=${`where is-${status}`} title=${names}>${run.waiting ? "Waits in " : ""}${names}</span>`;
  }
  const text = [word, run.error, run.failedState && `in ${run.failedState}`].filter(Boolean);
  if (text.length === 1) return html`<span class="muted">${word}</span>`;
  const line = `${text[1] ?? ""} ${text[2] ?? ""}`.trim();
  return html`<span class=${`where is-${status}`} title=${line}>${line}</span>`;
}

function Workflows({ workflows, current }) {
  if (!workflows) return html`<div class="workflows" aria-hidden="true"></div>`;
  return html`<ul class="workflows" aria-label="Workflows, the last hour">
    ${workflows.map(({ name, title, counts, spark }) => {
      const failed = counts.failed + counts.timedOut + counts.aborted;
      const on = name === current;
      return html`<li key=${name}>
        <a
          class="workflow"
          href=${withQuery({ workflow: on ? null : name })}
          aria-current=${on ? "true" : undefined}
          title=${on ? "Show all workflows" : `Show only ${title}`}
        >
          <span class="workflow-name">${title}</span>
          <span class="workflow-counts">
            <${Count} shape="RUNNING" number=${counts.running} />
            <${Count} shape="SUCCEEDED" number=${counts.succeeded} />
            <${Count} shape="FAILED" number=${failed} />
          </span>
          <${Spark} minutes=${spark} />
        </a>
      </li>`;
    })}
  </ul>`;
}

function Count({ shape, number }) {
  return html`<span class=${`tally ${number ? "" : "none"}`}><${StatusIcon} of=${shape} /><span class="number">${number}</span></span>`;
}

function Filters({ filter, filtered, workflows }) {
  return html`<div class="filters" role="search">
    <${SearchField} id="runs-text" placeholder="Search runs" label="Search runs by name, state or error" value=${filter.text} />
    <${Choice} name="status" label="Status" any="Any status" options=${STATUSES} value=${filter.status} />
    <${Choice} name="workflow" label="Workflow" any="Any workflow" options=${(workflows ?? []).map(({ name, title }) => [name, title])} value=${filter.workflow} />
    ${filtered && html`<button class="quiet" onClick=${clear}>Clear</button>`}
  </div>`;
}

const clear = () => setQuery({ workflow: null, status: null, text: null });

// ---- data ---------------------------------------------------------------------------------------

const newestFirst = (a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1);

const matches = (run, { workflow, status, text }) =>
  (!workflow || run.workflow === workflow) &&
  (!status || run.status === status) &&
  (!text || text.toLowerCase().split(/\s+/).every((word) =>
    [run.title, run.label, run.name, run.error, run.failedState, ...(run.states ?? [])].some((value) =>
      value?.toLowerCase().includes(word))));

/** Changed runs put into a list: replaced where they were, dropped if they no longer match. */
export function merge(runs, changed, filter) {
  const byId = new Map(runs.map((run) => [run.id, run]));
  for (const run of changed) {
    if (matches(run, filter)) byId.set(run.id, run);
    else byId.delete(run.id);
  }
  return [...byId.values()].sort(newestFirst);
}

// Kept while another page is shown, so that coming back is immediate.
let kept = { key: null, runs: null, next: null, workflows: null };

function useRuns(filter) {
  const key = JSON.stringify(filter);
  const first = useData("runs", { ...filter, limit: PAGE });
  const initial = kept.key === key ? kept : { key, runs: null, next: null, workflows: kept.workflows };
  const [state, setState] = useState(initial);
  const [held, setHeld] = useState([]);
  const loading = useRef(false);
  const current = state.key === key ? state : initial;

  useEffect(() => {
    kept = current;
  }, [current]);

  // The first page came: it replaces what it covers, what was loaded below it stays.
  useEffect(() => {
    if (!first.data) return;
    setHeld([]);
    setState((before) => {
      const { runs, next, workflows } = first.data;
      const older = before.key === key && before.runs && next
        ? before.runs.filter((run) => newestFirst(run, runs.at(-1)) > 0 && !runs.some(({ id }) => id === run.id))
        : [];
      return { key, runs: [...runs, ...older], next: older.length ? before.next : next, workflows };
    });
  }, [first.data, key]);

  // With another filter it is another list, which begins at its top.
  const listed = useRef(key);
  useEffect(() => {
    if (listed.current !== key) window.scrollTo(0, 0);
    listed.current = key;
  }, [key]);

  // Back from a run: the list is where it was.
  const restored = useRef(false);
  useEffect(() => {
    if (!current.runs || restored.current) return;
    restored.current = true;
    const top = savedScroll();
    if (top) requestAnimationFrame(() => window.scrollTo(0, top));
  }, [current.runs]);

  useEffect(() => {
    let refresh = 0;
    const stop = onLive("runs", (changed) => {
      setState((before) => {
        if (before.key !== key || !before.runs) return before;
        const known = new Set(before.runs.map(({ id }) => id));
        // Who has scrolled down reads: new runs wait, so that the rows stay where they are.
        const reading = window.scrollY > 200;
        const fresh = reading ? changed.filter((run) => !known.has(run.id) && matches(run, filter)) : [];
        if (fresh.length) setHeld((now) => merge(now, fresh, {}));
        const placed = reading ? changed.filter((run) => known.has(run.id)) : changed;
        return { ...before, runs: merge(before.runs, placed, filter) };
      });
      refresh ||= setTimeout(async () => {
        refresh = 0;
        const { workflows } = await get("runs", { limit: 1 }).catch(() => ({}));
        if (workflows) setState((before) => ({ ...before, workflows }));
      }, 1000);
    });
    const resync = onLive("resync", first.reload);
    return () => {
      clearTimeout(refresh);
      stop();
      resync();
    };
  }, [key, first.reload]);

  const showHeld = useCallback(() => {
    setState((before) => ({ ...before, runs: merge(before.runs, held, filter) }));
    setHeld([]);
    window.scrollTo(0, 0);
  }, [held, key]);

  const more = useCallback(async () => {
    if (!current.next || loading.current) return;
    loading.current = true;
    try {
      const page = await get("runs", { ...filter, limit: PAGE, before: current.next });
      setState((before) => (before.key === key ? { ...before, runs: merge(before.runs, page.runs, {}), next: page.next } : before));
    } catch {
      // The last row comes into sight again, and so does the next try.
    } finally {
      loading.current = false;
    }
  }, [current.next, key]);

  return useMemo(
    () => ({ ...current, problems: first.data?.problems, error: first.error, reload: first.reload, more, held: held.length, showHeld }),
    [current, first.data, first.error, first.reload, more, held, showHeld],
  );
}
