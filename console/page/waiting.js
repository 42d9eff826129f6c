// Waiting: every open callback, and the means to answer it.

import { onLive, path, post, stack, useData } from "./api.js";
import { ActionDialog, JsonField } from "./dialog.js";
import { Icon, StatusIcon } from "./icons.js";
import { JsonView } from "./json-view.js";
import { Problems } from "./problems.js";
import { address, setQuery } from "./router.js";
import { useTitle } from "./shell.js";
import { PanelFrame, readOnly, Split } from "./split.js";
import { Empty, Failure, Loading } from "./states.js";
import { useStore } from "./store.js";
import { Table } from "./table.js";
import { counting, exact, Time, useTimeText } from "./time.js";
import { html, useEffect, useState } from "./view.js";

export function Page({ query }) {
  useTitle("Waiting");
  const { data, error, reload } = useData("waiting");
  useLiveReload(reload);
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
        ${error && !data
          ? html`<${Failure} error=${error} retry=${reload} what="what waits" />`
          : !data
            ? html`<${Loading} what="open callbacks" />`
            : rows.length
              ? html`<${Table}
                    label="Open callbacks, longest waiting first"
                    noun="callback"
                    columns=${query.callback ? COLUMNS.filter(({ key }) => key !== "wide") : COLUMNS}
                    rows=${rows}
                    rowKey=${({ id }) => id}
                    select=${({ id }) => setQuery({ callback: id === query.callback ? null : id }, { replace: false })}
                    selected=${query.callback}
                    heights=${[32, 56]}
                  />
                  ${(!data.complete || data.total > rows.length) && html`<p class="empty-queues">${data.complete ? `${data.total - rows.length} more wait.` : "More running executions are being read."}</p>`}`
              : html`<${Empty} title="Nothing waits"><p>A task whose resource ends in <code>.waitForTaskToken</code> appears here while it waits for its callback.</p><//>`}
      </section>
    <//>
  </div>`;
}

/** Reload when runs have changed, at most once a second. */
function useLiveReload(reload) {
  useEffect(() => {
    let later = 0;
    const soon = () => {
      later ||= setTimeout(() => {
        later = 0;
        reload();
      }, 300);
    };
    const stops = [onLive("runs", soon), onLive("resync", soon)];
    return () => {
      clearTimeout(later);
      stops.forEach((stop) => stop());
    };
  }, [reload]);
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
  const about = useStore(stack);
  const [open, setOpen] = useState(null);
  const refused = callback.answerable ? readOnly(about) : "The history does not show this task's token";
  const { run } = callback;
  const button = (key, title) => html`<button class="small" disabled=${Boolean(refused)} title=${refused} onClick=${() => setOpen(key)}>${title}</button>`;
  const close = () => setOpen(null);
  return html`<${PanelFrame}
    name="callback"
    title=${callback.state}
    status=${html`<${StatusIcon} of="waiting" />`}
    actions=${html`${button("complete", "Complete…")}${button("fail", "Fail…")}`}
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
    ${open === "complete" && html`<${Complete} callback=${callback} onClose=${close} reload=${reload} />`}
    ${open === "fail" && html`<${Fail} callback=${callback} onClose=${close} reload=${reload} />`}
  <//>`;
}

function Complete({ callback, onClose, reload }) {
  const [text, setText] = useState("{}");
  const [output, setOutput] = useState({});
  const run = async () => {
    await post(path("waiting", callback.id, "complete"), { output });
    reload();
  };
  return html`<${ActionDialog} title=${`Complete ${callback.state}`} verb="Complete the task" run=${run} ready=${output !== undefined} onClose=${onClose} wide=${true}>
    <p>The task of <b>${callback.run.label}</b> ends with this result. What it was waiting for may answer later; that answer is then refused.</p>
    <${JsonField} label="Result" text=${text} rows=${10} onChange=${(next, value) => (setText(next), setOutput(value))} />
  <//>`;
}

function Fail({ callback, onClose, reload }) {
  const [error, setError] = useState("");
  const [cause, setCause] = useState("");
  const run = async () => {
    await post(path("waiting", callback.id, "fail"), { error, cause });
    reload();
  };
  return html`<${ActionDialog} title=${`Fail ${callback.state}`} verb="Fail the task" danger=${true} run=${run} ready=${Boolean(error.trim())} onClose=${onClose}>
    <p>The task of <b>${callback.run.label}</b> fails with this error. The state's Retry and Catch apply.</p>
    <label class="field"><span>Error</span><input class="code" maxlength="256" value=${error} placeholder="DeclinedError" onInput=${(event) => setError(event.currentTarget.value)} /></label>
    <label class="field"><span>Cause</span><textarea rows="3" maxlength="32768" value=${cause} onInput=${(event) => setCause(event.currentTarget.value)}></textarea></label>
  <//>`;
}
