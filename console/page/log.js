// Log lines: of one invocation in the panel, of the whole run in one stream.

import { path, useData } from "./api.js";
import { JsonView } from "./json-view.js";
import { setQuery } from "./router.js";
import { OpenRows } from "./rows.js";
import { Problems } from "./problems.js";
import { Empty, Failure, Loading } from "./states.js";
import { clockWithMillis, exact } from "./time.js";
import { html, useEffect, useRef, useState } from "./view.js";

const TONES = { ERROR: "failed", CRITICAL: "failed", FATAL: "failed", WARNING: "waiting", WARN: "waiting" };
const PLATFORM = /^(INIT_START|START|END|REPORT)\b/; // what Lambda itself writes
const SHOWN = new Set(["level", "message", "timestamp", "location", "function_request_id"]); // elsewhere in the line, or of no use
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"];

export function LogLines({ lines, functions = true, rest }) {
  const rows = lines.map((line, index) => ({ key: `${line.at} ${line.requestId ?? ""} ${index}`, line }));
  return html`<${OpenRows}
    label="Log lines"
    rows=${rows}
    rest=${rest}
    rowClass=${({ line }) => `log-line is-${TONES[line.level] ?? (!line.level && PLATFORM.test(line.message) ? "platform" : "plain")}`}
    summary=${({ line }) => html`<span class="number log-at" title=${exact(line.at)}>${clockWithMillis(line.at)}</span>
      <span class="log-level">${line.level ?? ""}</span>
      ${functions && html`<span class="log-function">${line.function}</span>`}
      <span class="log-message">${line.message} <span class="log-fields">${preview(line.fields)}</span></span>`}
    details=${({ line }) => html`<${JsonView} value=${{ ...line.fields, ...(line.requestId ? { requestId: line.requestId } : {}) }} label="Fields" />
      ${typeof line.raw === "string" && html`<pre class="text muted">${line.raw}</pre>`}`}
  />`;
}

function preview(fields) {
  return Object.entries(fields ?? {})
    .filter(([name, value]) => !SHOWN.has(name) && (value === null || typeof value !== "object"))
    .slice(0, 5)
    .map(([name, value]) => `${name}=${value}`)
    .join("  ");
}

const NONE = { text: "", level: "", field: "" };

/** All lines of the run, of every function or of one. `revision`: the run has changed. */
export function RunLog({ id, revision, of }) {
  const [filter, setFilter] = useState(NONE);
  const [typed, setAsked] = useState(filter);
  const asked = { ...typed, function: of };
  const names = useRef(new Set());
  const timer = useRef(0);
  const change = (name, wait) => (event) => {
    const next = { ...filter, [name]: event.currentTarget.value };
    setFilter(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(setAsked, wait, next);
  };
  const field = asked.field.includes(":") ? asked.field.trim() : "";
  const { data, error, reload } = useData(path("runs", id, "log"), { ...asked, text: asked.text.trim(), field });
  useEffect(() => {
    if (!revision) return undefined;
    const later = setTimeout(reload, 400); // CloudWatch has the lines a little after the state's change
    return () => clearTimeout(later);
  }, [revision]);
  data?.lines.forEach((line) => line.function && names.current.add(line.function));
  const last = useRef(null);
  if (data) last.current = data;
  const shown = data ?? last.current; // while a new filter loads, the old lines stay

  return html`<div class="run-log">
    <div class="filters log-filters" role="search">
      <input id="log-text" type="search" placeholder="Search the log" aria-label="Search the log's text" value=${filter.text} onInput=${change("text", 200)} />
      <input type="search" class="code" placeholder="field:value" aria-label="A field and its value, as name:value" value=${filter.field} onInput=${change("field", 300)} />
      <select aria-label="Level" value=${filter.level} onChange=${change("level", 0)}>
        <option value="">Any level</option>
        ${LEVELS.map((level) => html`<option key=${level} value=${level}>${level}</option>`)}
      </select>
      <select aria-label="Function" value=${of} onChange=${(event) => setQuery({ function: event.currentTarget.value })}>
        <option value="">Any function</option>
        ${[...new Set([...names.current, of].filter(Boolean))].sort().map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
      <span class="muted number" role="status">${shown ? `${shown.lines.length}${shown.truncated ? "+" : ""} lines` : ""}</span>
    </div>
    <${Problems} problems=${shown?.problems} />
    ${error && !shown
      ? html`<${Failure} error=${error} retry=${reload} what="the log" />`
      : !shown
        ? html`<${Loading} what="log lines" />`
        : shown.lines.length
          ? html`<${LogLines} lines=${shown.lines} rest=${shown.truncated && html`<p class="more muted">There are more lines. Narrow the search to see them.</p>`} />`
          : Object.values(asked).some(Boolean)
            ? html`<${Empty} title="No line matches"><button onClick=${() => (setFilter(NONE), setAsked(NONE), setQuery({ function: null }))}>Clear the search</button><//>`
            : html`<${Empty} title="No log lines yet"><p>Lines of the run's functions appear here as they are written.</p><//>`}
  </div>`;
}
