// Workflows: every state machine of the stack, what starts it, and how its runs went.

import { statusOf, StatusIcon } from "./icons.js";
import { Chain } from "./panel.js";
import { Problems } from "./problems.js";
import { address } from "./router.js";
import { useTitle } from "./shell.js";
import { Empty, Failure, Loading } from "./states.js";
import { Table } from "./table.js";
import { useLiveData } from "./live-data.js";
import { html } from "./view.js";

export function Page() {
  useTitle("Workflows");
  const { data, error, reload } = useLiveData("workflows", {});
  return html`<div class="workflows-page">
    <div class="head"><h1>Workflows</h1></div>
    <${Problems} problems=${data?.problems} />
    <section class="card" aria-label="Workflows">
      ${error && !data
        ? html`<${Failure} error=${error} retry=${reload} what="the workflows" />`
        : !data
          ? html`<${Loading} what="workflows" />`
          : data.workflows.length
            ? html`<${Table}
                label="Workflows"
                noun="workflow"
                columns=${COLUMNS}
                rows=${data.workflows}
                rowKey=${({ name }) => name}
                href=${({ name }) => address(["workflows", name])}
                heights=${[56, 92]}
              />`
            : html`<${Empty} title="No state machines"><p>The stack has no state machine. What else it has is on the page <a href=${address(["architecture"])}>Architecture</a>.</p><//>`}
    </section>
  </div>`;
}

const COLUMNS = [
  {
    key: "workflow",
    title: "Workflow",
    width: "minmax(0, 3fr)",
    action: true,
    cell: ({ title, type, comment }) => html`<span class="two-lines">
      <span><b>${title}</b>${type === "EXPRESS" && html` <span class="muted">Express</span>`}</span>
      <span class="muted" title=${comment}>${comment}</span>
    </span>`,
  },
  { key: "triggers", title: "Started by", width: "minmax(0, 2fr)", cell: ({ triggers }) => html`<${Triggers} triggers=${triggers} />` },
  { key: "states", title: "States", width: "56px", align: "right", cell: ({ states }) => html`<span class="number">${states}</span>` },
  { key: "functions", title: "Functions", width: "72px", align: "right", cell: ({ functions }) => html`<span class="number">${functions}</span>` },
  { key: "counts", title: "Runs", width: "156px", align: "right", cell: ({ counts }) => html`<${Counts} counts=${counts} />` },
];

/** The first trigger's cause and, if there are more, how many. */
function Triggers({ triggers }) {
  if (!triggers.length) return html`<span class="muted">StartExecution</span>`;
  const causes = [...new Set(triggers.map((chain) => chain[0].label))];
  const text = causes.join(", ");
  return html`<span title=${text}>${text}</span>`;
}

export function Counts({ counts }) {
  const failed = counts.failed + counts.timedOut + counts.aborted;
  return html`<span class="workflow-counts">
    ${[["RUNNING", counts.running], ["SUCCEEDED", counts.succeeded], ["FAILED", failed]].map(
      ([shape, number]) => html`<span key=${shape} class=${`tally ${number ? "" : "none"}`} title=${statusOf(shape).word}>
        <${StatusIcon} of=${shape} /><span class="number">${number}</span>
      </span>`,
    )}
  </span>`;
}

/** Every chain of parts that leads to a machine. */
export function TriggerList({ triggers }) {
  if (!triggers.length) {
    return html`<p class="hint-line">Nothing in the stack starts it. Somebody does so by StartExecution.</p>`;
  }
  return html`<ul class="trigger-list">${triggers.map((chain, index) => html`<li key=${index}><${Chain} links=${chain} /></li>`)}</ul>`;
}
