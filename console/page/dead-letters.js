// Dead letters: by queue, with reason and origin; look at them, and send them again.

import { path, post, stack } from "./api.js";
import { ActionDialog, Dialog } from "./dialog.js";
import { Icon, StatusIcon } from "./icons.js";
import { JsonView } from "./json-view.js";
import { useLiveData } from "./live-data.js";
import { Problems } from "./problems.js";
import { address, setQuery } from "./router.js";
import { useTitle } from "./shell.js";
import { PanelFrame, readOnly, Split } from "./split.js";
import { Empty, Failure, Loading } from "./states.js";
import { useStore } from "./store.js";
import { Table } from "./table.js";
import { exact, Time } from "./time.js";
import { html, useEffect, useState } from "./view.js";

const ASKED_AGAIN = 20_000; // ms: the server reads letters only while a page asks for them

export function Page({ query }) {
  useTitle("Dead letters");
  const { data, error, reload } = useLiveData("dead-letters", {}, { after: 0, names: ["deadLetters"] });
  const [dialog, setDialog] = useState(null);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), ASKED_AGAIN);
    return () => clearInterval(timer);
  }, [reload]);

  const queues = data?.queues ?? [];
  const full = queues.filter(({ count, letters, error: problem }) => count || letters?.length || problem);
  const empty = queues.filter((queue) => !full.includes(queue));
  const queue = queues.find(({ name }) => name === query.queue);
  const letter = queue?.letters?.find(({ id }) => id === query.letter);
  const send = (from, letters) => setDialog({ queue: from, letters });
  return html`<div class="split-page">
    <div class="head"><h1>Dead letters</h1><p class="page-note">Messages and events that could not be delivered or processed. Looking leaves them in their queues.</p></div>
    ${error && !data
      ? html`<section class="card"><${Failure} error=${error} retry=${reload} what="dead letters" /></section>`
      : !data
        ? html`<section class="card"><${Loading} what="dead-letter queues" /></section>`
        : html`<${Split} name="letter" panel=${query.letter && queue ? html`<${Letter} key=${query.letter} letter=${letter} queue=${queue} send=${send} />` : null}>
            <${Problems} problems=${data.problems} />
            ${queues.length === 0 && html`<section class="card"><${Empty} title="The stack has no dead-letter queue"><p>A queue counts as one if a queue's RedrivePolicy, a rule or a function names it, or if its name says so.</p><//></section>`}
            ${full.map((one) => html`<${Queue} key=${one.name} queue=${one} selected=${query.letter} send=${send} />`)}
            ${queues.length > 0 && full.length === 0 && html`<section class="card"><${Empty} title="No dead letters"><p>${queues.length === 1 ? "The dead-letter queue is empty." : `All ${queues.length} dead-letter queues are empty.`}</p><//></section>`}
            ${empty.length > 0 && html`<p class="empty-queues">Empty: ${empty.map(({ title }) => title).join(", ")}</p>`}
          <//>`}
    ${dialog && html`<${SendAgain} ...${dialog} reload=${reload} onClose=${() => setDialog(null)} />`}
  </div>`;
}

function Queue({ queue, selected, send }) {
  const about = useStore(stack);
  const { letters, count, error, heldElsewhere } = queue;
  const refused = readOnly(about);
  return html`<section class="card" aria-label=${queue.title}>
    <header>
      <h2>${queue.title}</h2>
      <span class="number muted">${count === null ? "" : count === 1 ? "1 letter" : `${count} letters`}</span>
      <div class="right tools"><button class="small" disabled=${Boolean(refused) || !letters?.length} title=${refused} onClick=${() => send(queue, null)}>Send all again…</button></div>
    </header>
    ${error
      ? html`<${Failure} error=${error} what=${`the letters of ${queue.title}`} />`
      : letters === null
        ? html`<${Loading} what="letters" />`
        : html`<${Table}
              label=${`Dead letters of ${queue.title}`}
              noun="letter"
              columns=${COLUMNS}
              rows=${letters}
              rowKey=${({ id }) => id}
              select=${({ id }) => setQuery({ queue: queue.name, letter: id === selected ? null : id }, { replace: false })}
              selected=${selected}
              heights=${[32, 56]}
            />
            ${heldElsewhere > 0 && html`<p class="empty-queues">${heldElsewhere === 1 ? "1 more letter is" : `About ${heldElsewhere} more letters are`} being read by somebody else.</p>`}`}
  </section>`;
}

const originOf = ({ origin }) => (origin.title ? `${origin.kind ?? ""} ${origin.title}`.trim() : "unknown");

const COLUMNS = [
  { key: "status", title: html`<span class="visually-hidden">Status</span>`, width: "14px", cell: () => html`<${StatusIcon} of="failed" />` },
  { key: "title", title: "Error", width: "minmax(0, 1fr)", action: true, cell: ({ error }) => error ?? "Unknown error" },
  { key: "dim", title: "Reason", width: "minmax(0, 2fr)", cell: ({ reason }) => html`<span title=${reason}>${reason ?? ""}</span>` },
  { key: "extra", title: "Meant for", width: "minmax(0, 1fr)", cell: (letter) => html`<span class="muted">${originOf(letter)}</span>` },
  { key: "at", title: "Since", width: "96px", cell: ({ at }) => html`<${Time} at=${at} />` },
];

function Letter({ letter, queue, send }) {
  const about = useStore(stack);
  if (!letter) {
    return html`<${PanelFrame} name="letter" title="Dead letter">
      ${queue.letters === null
        ? html`<${Loading} what="the letter" />`
        : html`<${Empty} title="It is not in the queue any more"><p>It was sent again or deleted, or somebody else is reading it.</p><//>`}
    <//>`;
  }
  const refused = readOnly(about) ?? (letter.sendable ? undefined : "Nothing in it says where it came from");
  return html`<${PanelFrame}
    name="letter"
    title=${letter.error ?? "Dead letter"}
    status=${html`<${StatusIcon} of="failed" />`}
    actions=${html`<button class="small" disabled=${Boolean(refused)} title=${refused} onClick=${() => send(queue, [letter])}>Send again…</button>`}
  >
    <div class="panel-body" tabindex="0" role="region" aria-label="The dead letter">
      ${letter.reason && html`<p class="note is-failed"><${Icon} shape="failed" /><span>${letter.reason}</span></p>`}
      <dl class="facts">
        <dt>Meant for</dt><dd>${originOf(letter)}</dd>
        ${letter.rule && html`<dt>Rule</dt><dd>${letter.rule}</dd>`}
        ${letter.run && html`<dt>Run</dt><dd><a href=${address(["runs", letter.run])}>${letter.run}</a></dd>`}
        <dt>Since</dt><dd class="number">${exact(letter.at)}</dd>
        <dt>Queue</dt><dd>${queue.title}</dd>
        <dt>Id</dt><dd><code>${letter.id}</code></dd>
      </dl>
      <section class="panel-section"><h3>Content</h3>
        ${typeof letter.body === "string" ? html`<pre class="text">${letter.body}</pre>` : html`<${JsonView} value=${letter.body} label="Content" />`}</section>
      ${Object.keys(letter.attributes).length > 0 && html`<section class="panel-section"><h3>Attributes</h3><${JsonView} value=${letter.attributes} label="Attributes" /></section>`}
    </div>
  <//>`;
}

/** Ask, send, and say what became of each letter. */
function SendAgain({ queue, letters, onClose, reload }) {
  const [results, setResults] = useState(null);
  const many = letters === null;
  const run = async () => {
    const answer = await post(path("dead-letters", queue.name, "send"), { ids: many ? null : letters.map(({ id }) => id) });
    reload();
    setResults(answer.results);
  };
  if (results) {
    return html`<${Dialog} title="Sent again" onClose=${onClose}>
      <div class="dialog-body">
        ${results.length === 0 && html`<p>There was no letter that could be read.</p>`}
        <ul class="results">
          ${results.map(
            ({ id, sent, what, run: started }) => html`<li key=${id} class=${sent ? "is-succeeded" : "is-failed"}>
              <${StatusIcon} of=${sent ? "succeeded" : "failed"} />
              <span>${what}${started && html`: <a href=${address(["runs", started])}>open the run</a>`}</span>
            </li>`,
          )}
        </ul>
      </div>
    <//>`;
  }
  return html`<${ActionDialog}
    title=${many ? `Send all letters of ${queue.title} again?` : "Send this letter again?"}
    verb=${many ? "Send all again" : "Send again"}
    run=${run}
    keepOpen=${true}
    onClose=${onClose}
  >
    <p>${many ? `About ${queue.count} letters go` : "It goes"} to where ${many ? "they were" : "it was"} meant for${many ? "" : html`, <b>${originOf(letters[0])}</b>`}. What is accepted is deleted from the queue. What fails again comes back.</p>
  <//>`;
}
