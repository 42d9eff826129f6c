// Waiting: every open callback, and the means to answer it.

import { AnswerButtons } from "./answer.js";
import { Icon, StatusIcon } from "./icons.js";
import { JsonView } from "./json-view.js";
import { Listing } from "./listing.js";
import { useLiveData } from "./live-data.js";
import { Problems } from "./problems.js";
import { address, setQuery } from "./router.js";
import { useTitle } from "./shell.js";
import { PanelFrame, Split } from "./split.js";
import { Empty } from "./states.js";
import { counting, exact, Time, useTimeText } from "./time.js";
import { html } from "./view.js";

export function Page({ query }) {
  useTitle("Waiting");
  const { data, error, reload } = useLiveData("waiting", {}, { after: 300 });
  const rows = data?.waiting;
  const chosen = rows?.find(({ id }) => id === query.callback);
  return html`<div class="split-page">
    <div class="head"><h1>Waiting</h1>
      <p class="page-note">Tasks that wait until somebody returns their task token.</p></div>
    <${Problems} problems=${data?.problems} />
    <${Split}
      name="callback"
      panel=${query.callback && data ? (chosen ? html`<${Callback} key=${chosen.id} callback=${chosen} reload=${reload} />` : html`<${Gone} />`) : null}
    >
      <section class="card" aria-label="Open callbacks">
        <${Listing} what="what waits" label="Open callbacks, longest waiting first" noun="callback" columns=${COLUMNS} narrow=${Boolean(query.callback)} rows=${rows} error=${error} reload=${reload} selected=${query.callback} select=${({ id }) => setQuery({ callback: id === query.callback ? null : id }, { replace: false })}>
          <${Empty} title="Nothing waits"><p>A task whose resource ends in <code>.waitForTaskToken</code> appears here while it waits for its callback.</p><//>
        <//>
        ${rows?.length > 0 && (!data.complete || data.total > rows.length) && html`<p class="empty-queues">${data.complete ? `${data.total - rows.length} more wait.` : "More running executions are being read."}</p>`}
      </section>
    <//>
  </div>`;
}

const COLUMNS = [
  { key: "status", title: html`<span class="visually-hidden">Status</span>`, width: "14px", cell: () => html`<${StatusIcon} of="waiting" />` },
  { key: "title", title: "State", width: "minmax(0, 1.2fr)", action: true, cell: ({ state, item }) => (item === null ? state : `${state}, item ${item}`) },
  { key: "dim", title: "Run", width: "minmax(0, 1.5fr)", cell: ({ run }) => html`<span title=${run.name}>${run.title} · ${run.label}</span>` },
  { key: "wide", title: "Waits for", width: "minmax(0, 1.2fr)", cell: ({ resource }) => html`<span class="muted">${resource}</span>` },
  { key: "at", title: "Since", width: "96px", cell: ({ since }) => html`<${Time} at=${since} />` },
  { key: "extra", title: "Deadline", width: "128px", cell: (one) => html`<${Deadline} of=${one} />` },
];

function Deadline({ of }) {
  const at = of.timesOutAt;
  const text = useTimeText((now) => (at === null ? "No deadline" : at > now ? `in ${counting(at - now)}` : "passed"), [at]);
  return html`<span class=${at === null ? "loud" : ""} title=${at === null ? "The task has no TimeoutSeconds" : exact(at)}>${text}</span>`;
}

const Gone = () => html`<${PanelFrame} name="callback" title="It does not wait any more">
  <${Empty} title="This task does not wait any more"><p>Somebody has answered it, or it has timed out.</p><//>
<//>`;

function Callback({ callback, reload }) {
  const { run } = callback;
  return html`<${PanelFrame}
    name="callback"
    title=${callback.state}
    status=${html`<${StatusIcon} of="waiting" />`}
    actions=${html`<${AnswerButtons} callback=${callback} onAnswered=${reload} />`}
  >
    <div class="panel-body" tabindex="0" role="region" aria-label="The task">
      ${callback.timesOutAt === null &&
      html`<p class="note is-failed"><${Icon} shape="failed" /><span>No deadline: the task has no TimeoutSeconds.${" "}
        ${callback.runTimesOutAt ? html`It waits until the run itself times out, ${exact(callback.runTimesOutAt)}.` : "If the callback is lost, it waits for a year."}</span></p>`}
      <dl class="facts">
        <dt>Run</dt><dd><a href=${address(["runs", run.id], { state: callback.node })}>${run.title} · ${run.label}</a></dd>
        ${callback.item !== null && html`<dt>Item</dt><dd class="number">${callback.item}</dd>`}
        <dt>Waits for</dt><dd>${callback.resource}</dd>
        <dt>Since</dt><dd><${Time} at=${callback.since} /> <span class="muted number">${exact(callback.since)}</span></dd>
        <dt>Deadline</dt><dd><${Deadline} of=${callback} />${callback.timesOutAt && html` <span class="muted number">${exact(callback.timesOutAt)}</span>`}</dd>
        ${callback.heartbeatSeconds && html`<dt>Heartbeat</dt><dd>every ${callback.heartbeatSeconds} s, or it times out</dd>`}
        ${callback.attempt > 1 && html`<dt>Attempt</dt><dd class="number">${callback.attempt}</dd>`}
        ${callback.comment && html`<dt>Comment</dt><dd>${callback.comment}</dd>`}
      </dl>
      <section class="panel-section"><h3>What was sent with the token</h3>
        <${JsonView} value=${callback.parameters} label="Parameters" /></section>
    </div>
  <//>`;
}
