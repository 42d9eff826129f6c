// Inbox: the mails that the local SES has accepted. Their HTML is in a frame without any rights.

import { path, stack, useData } from "./api.js";
import { Listing } from "./listing.js";
import { useLiveData } from "./live-data.js";
import { address, setQuery } from "./router.js";
import { useTitle } from "./shell.js";
import { PanelFrame, Split } from "./split.js";
import { Empty, Failure, Loading } from "./states.js";
import { useStore } from "./store.js";
import { Tabs } from "./tabs.js";
import { exact, Time } from "./time.js";
import { html } from "./view.js";

export function Page({ segments, query }) {
  useTitle("Inbox");
  const about = useStore(stack);
  if (!about.hasInbox) {
    return html`<div class="split-page"><div class="head"><h1>Inbox</h1></div>
      <section class="card"><${Empty} title="There is no inbox here"><p>SES on AWS delivers mails and keeps none. Look at the recipient's own inbox. Locally, mails appear here.</p><//></section></div>`;
  }
  return html`<${Mails} query=${query} selected=${query.mail ?? segments[0]} />`;
}

function Mails({ query, selected }) {
  const { data, error, reload } = useLiveData("inbox", {}, { after: 0, names: ["mails"] });
  return html`<div class="split-page">
    <div class="head"><h1>Inbox</h1><p class="page-note">Mails as the local SES accepted them. Secrets in links are hidden.</p></div>
    <${Split} name="mail" panel=${selected && html`<${Mail} key=${selected} id=${selected} tab=${query.tab} />`}>
      <section class="card" aria-label="Mails">
        <${Listing} what="the inbox" label="Mails, newest first" noun="mail" columns=${COLUMNS} narrow=${Boolean(selected)} rows=${data?.mails} error=${error} reload=${reload} selected=${selected} select=${({ id }) => setQuery({ mail: id, tab: null }, { replace: false })}>
          <${Empty} title="No mails yet"><p>A mail that a function sends through SES appears here.</p><//>
        <//>
      </section>
    <//>
  </div>`;
}

const COLUMNS = [
  { key: "title", title: "Subject", width: "minmax(0, 1.4fr)", action: true, cell: ({ subject }) => subject || "(no subject)" },
  { key: "wide", title: "Text", width: "minmax(0, 1.6fr)", cell: ({ preview }) => html`<span class="muted">${preview}</span>` },
  { key: "dim", title: "To", width: "minmax(0, 1fr)", cell: ({ to }) => to.join(", ") },
  { key: "at", title: "Sent", width: "96px", cell: ({ at }) => html`<${Time} at=${at} />` },
];

/** The run that sent the mail: the logs of all functions are searched for it. */
function Origin({ id }) {
  const { data, error } = useData(path("inbox", id, "run"));
  if (error) return html`<span class="muted">not known: ${error.message}</span>`;
  if (!data) return html`<span class="muted">looking in the logs…</span>`;
  const [problem] = data.problems;
  if (!data.run && problem) return html`<span class="muted">not known: ${problem.message} ${problem.action}</span>`;
  if (!data.run) return html`<span class="muted" title="No function's log names this mail and an execution">not known</span>`;
  return html`<a href=${address(["runs", data.run.id])} title=${data.run.name}>${data.run.title} · ${data.run.label}</a>`;
}

function Mail({ id, tab }) {
  const { data: mail, error, reload } = useData(path("inbox", id));
  if (error && !mail) return html`<${PanelFrame} name="mail" title="Mail"><${Failure} error=${error} retry=${reload} what="this mail" /><//>`;
  if (!mail) return html`<${PanelFrame} name="mail" title="Mail"><${Loading} what="the mail" /><//>`;
  const tabs = [...(mail.html ? [["html", "HTML"]] : []), ...(mail.text || !mail.html ? [["text", "Text"]] : []), ["headers", "Headers"]];
  const current = tabs.some(([key]) => key === tab) ? tab : tabs[0][0];
  return html`<${PanelFrame} name="mail" title=${mail.subject || "(no subject)"}>
    <dl class="facts">
      <dt>From</dt><dd>${mail.from}</dd>
      <dt>To</dt><dd>${mail.to.join(", ")}</dd>
      ${mail.cc.length > 0 && html`<dt>Cc</dt><dd>${mail.cc.join(", ")}</dd>`}
      <dt>Sent</dt><dd class="number">${exact(mail.at)}</dd>
      <dt>Run</dt><dd><${Origin} id=${id} /></dd>
      ${mail.attachments.length > 0 && html`<dt>Attachments</dt><dd>${mail.attachments.map(({ name }) => name).join(", ")}</dd>`}
    </dl>
    <header class="panel-tabs"><${Tabs} tabs=${tabs} current=${current} label="The mail" panel="mail-part" onSelect=${(key) => setQuery({ tab: key })} /></header>
    <div class="panel-body" id="mail-part" role="tabpanel" tabindex="0" aria-label=${tabs.find(([key]) => key === current)[1]}>
      ${current === "html" && html`<iframe class="mail-frame" sandbox="" referrerpolicy="no-referrer" title="The mail's HTML" src=${`api/${path("inbox", id, "html")}`}></iframe>`}
      ${current === "text" && html`<pre class="text">${mail.text}</pre>`}
      ${current === "headers" && html`<dl class="facts">${mail.headers.map(({ name, value }) => html`<dt key=${`t ${name}`}>${name}</dt><dd key=${`d ${name}`}>${value}</dd>`)}</dl>`}
    </div>
    ${mail.links.length > 0 &&
    html`<ul class="mail-links" aria-label="Links in this mail">
      ${mail.links.map(
        ({ number, text, opens }) => html`<li key=${number}>
          ${opens
            ? html`<a href=${`api/${path("inbox", id, "links", number)}`} target="_blank" rel="noopener noreferrer">${text}</a>`
            : html`<span title="Read-only: start the console with --allow-writes to open links">${text}</span>`}
        </li>`,
      )}
    </ul>`}
  <//>`;
}
