// Beside the graph: the state that is selected, or the run itself.

import { AnswerButtons } from "./answer.js";
import { path, useData } from "./api.js";
import { CopyButton } from "./dialog.js";
import { ErrorNote, ErrorText } from "./errors.js";
import { Icon, Pill, StatusIcon } from "./icons.js";
import { JsonView } from "./json-view.js";
import { LinkList, Link } from "./links.js";
import { LogLines } from "./log.js";
import { MapItems } from "./map-items.js";
import { setQuery } from "./router.js";
import { Empty, Failure, Loading } from "./states.js";
import { Tabs } from "./tabs.js";
import { clock, counting, duration, exact, useTimeText } from "./time.js";
import { html, useEffect, useRef } from "./view.js";

/** `data` is the whole run, `query` says what is selected: state, visit, item, tab. */
export function Panel({ data, query, selected }) {
  return selected
    ? html`<${StatePanel} key=${data.run.id} data=${data} query=${query} selected=${selected} />`
    : html`<${RunPanel} data=${data} query=${query} />`;
}

function Frame({ tabs, tab, right, children, label }) {
  return html`<section class="card panel" aria-label=${label}>
    <header>
      <${Tabs} tabs=${tabs} current=${tab} label=${label} panel="panel" onSelect=${(key) => setQuery({ tab: key === tabs[0][0] ? null : key })} />
      ${right && html`<div class="right tools">${right}</div>`}
    </header>
    <div class="panel-body" id="panel" role="tabpanel" tabindex="0" aria-label=${tabs.find(([key]) => key === tab)?.[1]}>${children}</div>
  </section>`;
}

function RunPanel({ data, query }) {
  const { run, trigger, leftBehind } = data;
  const tabs = [["facts", "This run"], ["input", "Input"], ["output", "Output"]];
  const tab = tabs.some(([key]) => key === query.tab) ? query.tab : "facts";
  return html`<${Frame} tabs=${tabs} tab=${tab} label="This run">
    ${tab === "facts" &&
    html`${run.error && html`<${ErrorNote} error=${run.error} cause=${run.cause} />`}
      <dl class="facts">
        <dt>Name</dt><dd>${run.name}</dd>
        <dt>Started</dt><dd class="number">${exact(run.startedAt)}</dd>
        ${run.stoppedAt && html`<dt>Ended</dt><dd class="number">${exact(run.stoppedAt)}</dd>`}
        <dt>Set off by</dt><dd>${trigger.length ? html`<${Chain} links=${trigger} />` : html`<span class="muted">unknown</span>`}</dd>
        <dt>Left behind</dt><dd>${leftBehind.length ? html`<${LinkList} links=${leftBehind} most=${12} />` : html`<span class="muted">nothing seen</span>`}</dd>
        <dt>ARN</dt><dd class="arn"><code>${run.arn}</code> <${CopyButton} text=${run.arn} /></dd>
      </dl>
      <${Section} title="Input"><${JsonView} value=${run.input} label="Input" /><//>`}
    ${tab === "input" && html`<${JsonView} value=${run.input} label="Input" />`}
    ${tab === "output" && html`<${Value} value=${run.output} label="Output" none=${run.stoppedAt ? "The run has no output" : "The run has no output yet"} />`}
  <//>`;
}

/** What led to what: object → notification → function. */
export const Chain = ({ links }) =>
  links.map((link, index) => html`${index > 0 && html`<span class="muted" aria-label="then"> → </span>`}<${Link} key=${index} link=${link} />`);

const Section = ({ title, children }) => html`<section class="panel-section"><h3>${title}</h3>${children}</section>`;

function Value({ value, label, none }) {
  if (value === undefined || value === null) return html`<${Empty} title=${none} />`;
  return html`<${JsonView} value=${value} label=${label} />`;
}

function StatePanel({ data, query, selected }) {
  const { run, graph, states } = data;
  const node = graph.nodes.find(({ id }) => id === selected);
  const state = states[selected];
  const item = query.item ?? null;
  const visits = state?.visits ?? 0;
  const visit = Math.min(Number(query.visit ?? Math.max(0, visits - 1)), Math.max(0, visits - 1));
  const isMap = node.type === "Map";
  const reached = state && state.status !== "notReached";
  const { data: detail, error, reload } = useData(path("runs", run.id, "states", selected), item === null ? { visit } : { visit: query.visit, item });
  const revision = useRef(run.revision);
  useEffect(() => {
    if (revision.current !== run.revision) reload();
    revision.current = run.revision;
  }, [run.revision]);

  const attempts = detail?.attempts ?? [];
  const tabs = [
    ["facts", node.name],
    ...(isMap && reached ? [["items", "Items"]] : []),
    ...(reached ? [["log", "Logs"], ["input", "Input"], ["output", "Output"]] : []),
    ...(detail?.parameters !== null && detail?.parameters !== undefined ? [["parameters", "Parameters"]] : []),
    ["definition", "Definition"],
    ...(attempts.length > 0 ? [["attempts", attempts.length > 1 ? `Attempts ${attempts.length}` : "Attempt"]] : []),
  ];
  const tab = tabs.some(([key]) => key === query.tab) ? query.tab : "facts";
  const step = (by) => setQuery({ visit: visit + by });
  const shownVisits = detail && item !== null ? detail.visits : visits;
  const right = html`${item !== null && html`<button class="small" title="Show all items" onClick=${() => setQuery({ item: null, visit: null })}>Item ${item} ✕</button>`}
    ${item === null && shownVisits > 1 &&
    html`<button class="quiet small" aria-label="Previous visit" disabled=${visit === 0} onClick=${() => step(-1)}>‹</button>
      <span class="number">${visit + 1} of ${shownVisits}</span>
      <button class="quiet small" aria-label="Next visit" disabled=${visit >= shownVisits - 1} onClick=${() => step(1)}>›</button>`}
    <button class="quiet small" aria-label="Close the state" title="Show the run" onClick=${() => setQuery({ state: "none", visit: null, item: null, tab: null })}>✕</button>`;

  return html`<${Frame} tabs=${tabs} tab=${tab} right=${right} label=${node.name}>
    ${tab === "items"
      ? html`<${MapItems} id=${run.id} node=${selected} revision=${run.revision} item=${item === null ? null : Number(item)} onSelect=${(index) => setQuery({ item: index, visit: null })} />`
      : error && !detail
        ? html`<${Failure} error=${error} retry=${reload} what="this state" />`
        : !detail
          ? html`<${Loading} what=${node.name} />`
          : html`<${Body} tab=${tab} detail=${detail} reached=${reached} reload=${reload} />`}
  <//>`;
}

function Body({ tab, detail, reached, reload }) {
  const { note } = detail;
  switch (tab) {
    case "log":
      return detail.log.length
        ? html`<${LogLines} lines=${detail.log} functions=${new Set(detail.log.map((line) => line.function)).size > 1} />`
        : html`<${Empty} title="No log lines of this invocation" />`;
    case "input":
      return html`<${Value} value=${detail.input} label="Input" none="The state has no input" />`;
    case "output":
      return html`<${Value} value=${detail.output} label="Output" none="The state has given no output" />`;
    case "parameters":
      return html`<p class="hint-line">What Parameters made of the input, as it was sent.</p><${JsonView} value=${detail.parameters} label="Parameters" />`;
    case "definition":
      return html`<${JsonView} value=${detail.definition} label="Definition" />`;
    case "attempts":
      return html`<${Attempts} attempts=${detail.attempts} />`;
    default:
      return html`${note && html`<${Note} note=${note} />`}
        ${detail.callback && html`<div class="panel-actions"><${AnswerButtons} callback=${detail.callback} onAnswered=${reload} /></div>`}
        <dl class="facts">
          <dt>Status</dt><dd><${Pill} of=${detail.status} /></dd>
          ${detail.facts.map(({ term, text, link }, index) => html`<dt key=${`t${index}`}>${term}</dt><dd key=${`d${index}`}>${link ? html`<${Link} link=${{ ...link, label: text || link.label }} />` : text}</dd>`)}
        </dl>
        ${reached && detail.input !== null && html`<${Section} title="Input"><${JsonView} value=${detail.input} label="Input" /><//>`}
        ${reached && detail.output !== null && detail.output !== undefined && html`<${Section} title="Output"><${JsonView} value=${detail.output} label="Output" /><//>`}`;
  }
}

/**
 * What one wants to know first: "Waiting for a callback since 14:38:22. Times out in 57 min 52 s.",
 * "TooLargeError: The file has no rows. Failed at 14:38:22."
 */
function Note({ note: { status, text, since, happened, more, timesOutAt } }) {
  const deadline = useTimeText(
    (now) => (!timesOutAt ? "" : timesOutAt > now ? ` Times out in ${counting(timesOutAt - now)}.` : " Its time is up."),
    [timesOutAt],
  );
  return html`<p class=${`note is-${status}`}>
    <${Icon} shape=${status} />
    <span class="number">${text}${since && html` since <${Clock} at=${since} />`}${(since || !/[.!?…]$/.test(text)) && "."}${happened && html` ${happened.what} at <${Clock} at=${happened.at} />.`}${deadline}${more && ` ${more}`}</span>
  </p>`;
}

const Clock = ({ at }) => html`<span title=${exact(at)}>${clock(at)}</span>`;

function Attempts({ attempts }) {
  return html`<ol class="attempts">
    ${attempts.map(
      (attempt) => html`<li key=${attempt.n} class=${`is-${attempt.status}`}>
        <p class="attempt-head">
          <${StatusIcon} of=${attempt.status} />
          <b>Attempt ${attempt.n}</b>
          <span class="number muted" title=${exact(attempt.startedAt)}>${clock(attempt.startedAt)}</span>
          <span class="number">${attempt.stoppedAt ? duration(attempt.stoppedAt - attempt.startedAt) : "running"}</span>
          ${attempt.coldStartMs !== null && attempt.coldStartMs !== undefined && html`<span class="muted">cold start ${duration(attempt.coldStartMs)}</span>`}
          ${attempt.durationMs !== null && attempt.durationMs !== undefined && html`<span class="muted">function ${duration(attempt.durationMs)}</span>`}
        </p>
        ${attempt.error && html`<div class="attempt-error"><${ErrorText} error=${attempt.error} cause=${attempt.cause} /></div>`}
        ${attempt.requestId && html`<p class="muted attempt-id">Request <code>${attempt.requestId}</code></p>`}
      </li>`,
    )}
  </ol>`;
}
