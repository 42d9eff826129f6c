// One workflow: its graph beside its definition, what starts it, what it calls, and a way to start it.

import { get, path, post, stack, useData } from "./api.js";
import { ActionDialog, JsonField } from "./dialog.js";
import { Graph } from "./graph.js";
import { StatusIcon, statusOf } from "./icons.js";
import { neighbour, useKeys } from "./keyboard.js";
import { useLiveData } from "./live-data.js";
import { Problems } from "./problems.js";
import { address, go, setQuery } from "./router.js";
import { useTitle } from "./shell.js";
import { Source } from "./source.js";
import { Failure, Loading } from "./states.js";
import { useStore } from "./store.js";
import { Time } from "./time.js";
import { html, useEffect, useMemo, useState } from "./view.js";
import { Counts, TriggerList } from "./workflows.js";

export function Page({ segments, query }) {
  const name = segments.join("/");
  const { data, error, reload } = useLiveData(path("workflows", name), {});
  useTitle(data?.title ?? name, "Workflows");
  useEffect(() => window.scrollTo(0, 0), [name]);
  if (error && !data) {
    return html`<div class="workflow-page">
      <p class="crumb"><a href=${address(["workflows"])}>Workflows</a></p>
      <${Failure} error=${error} retry=${error.status === 404 ? null : reload} what="this workflow" />
    </div>`;
  }
  return data ? html`<${Workflow} key=${name} data=${data} query=${query} />` : html`<${Loading} what="the workflow" />`;
}

function Workflow({ data, query }) {
  const [starting, setStarting] = useState(false);
  const writable = useStore(stack)?.writable;
  const states = useMemo(() => data.graph.nodes.filter(({ type }) => type !== "Start" && type !== "End"), [data.source]);
  const names = useMemo(() => Object.fromEntries(states.map(({ id, name }) => [id, name])), [states]);
  const selected = query.state in data.lines ? query.state : null;
  const select = (state) => setQuery({ state: state === selected ? null : state });
  const move = (by) => {
    const next = neighbour(states, states.findIndex(({ id }) => id === selected), by);
    if (next) setQuery({ state: next.id });
  };
  useKeys({
    j: { help: "Next state", run: () => move(1) },
    k: { help: "Previous state", run: () => move(-1) },
    s: { help: "Start a run", run: () => writable && setStarting(true) },
    u: { help: "Back to the workflows", run: () => document.querySelector(".crumb a").click() },
  });

  return html`<div class="workflow-page">
    <p class="crumb"><a href=${address(["workflows"])}>Workflows</a></p>
    <div class="workflow-header">
      <div class="head">
        <h1>${data.title}</h1>
        ${data.type === "EXPRESS" && html`<span class="pill is-cancelled">Express</span>`}
        <div class="actions">
          <button disabled=${!writable} title=${writable ? "Start an execution" : "Read-only: start the console with --allow-writes"} onClick=${() => setStarting(true)}>Start a run…</button>
        </div>
      </div>
      ${data.comment && html`<p class="workflow-comment">${data.comment}</p>`}
      <div class="meta">
        <span><a href=${address(["runs"], { workflow: data.name })}>All runs</a></span>
        <span><${Counts} counts=${data.counts} /></span>
        ${data.latest && html`<span class="latest">Latest: <${StatusIcon} of=${data.latest} /> <a href=${address(["runs", data.latest.id])}>${data.latest.label}</a>, ${statusOf(data.latest).word.toLowerCase()}, started <${Time} at=${data.latest.startedAt} /></span>`}
      </div>
    </div>
    <${Problems} problems=${data.problems} />
    <div class=${`two ${states.length > 14 ? "wide" : ""}`}>
      <${Graph} graph=${data.graph} selected=${selected} onSelect=${select} />
      <${Source} text=${data.source} lines=${data.lines} names=${names} selected=${selected} onSelect=${(state) => setQuery({ state })} />
    </div>
    <div class="workflow-below">
      <section class="card" aria-label="What starts it">
        <header><h2>Started by</h2></header>
        <${TriggerList} triggers=${data.triggers} />
      </section>
      <${Calls} data=${data} selected=${selected} onSelect=${select} />
    </div>
    ${starting && html`<${Start} data=${data} onClose=${() => setStarting(false)} />`}
  </div>`;
}

const HOW = { starts: "starts", events: "puts events", sends: "calls", invokes: "invokes" };

/** Functions with their counts and last errors, then the other resources. */
function Calls({ data, selected, onSelect }) {
  const functions = data.calls.filter(({ kind }) => kind === "function");
  const others = data.calls.filter(({ kind }) => kind !== "function");
  const { data: found, error, reload } = useLiveData(functions.length ? "functions" : null, { workflow: data.name }, { after: 3000, names: ["runs", "metrics"] });
  useEffect(() => {
    if (!found?.reading) return undefined;
    const timer = setTimeout(reload, 800);
    return () => clearTimeout(timer);
  }, [found]);
  const byName = new Map((found?.functions ?? []).map((one) => [one.name, one]));
  return html`<section class="card calls" aria-label="What it calls">
    <header><h2>Calls</h2>${found && html`<span class="right">invocations and errors of the last ${found.hours} hours</span>`}</header>
    ${error && !found && html`<p class="note is-waiting">${error.message}</p>`}
    <${Problems} problems=${found?.problems} />
    ${data.calls.length === 0
      ? html`<p class="hint-line">It calls nothing that its definition names.</p>`
      : html`<div class="calls-scroll" tabindex="0" role="group" aria-label="Functions and resources"><table class="plain">
          <thead><tr><th>Function or resource</th><th>States</th><th class="right">Invocations</th><th class="right">Errors</th><th>Last error</th></tr></thead>
          <tbody>
            ${functions.map((call) => html`<${FunctionRow} key=${call.id} call=${call} counts=${byName.get(call.name)} selected=${selected} onSelect=${onSelect} />`)}
            ${others.map((call) => html`<tr key=${call.id}>
              <th scope="row"><a href=${address(["architecture"], { part: call.id })}>${call.title}</a> <span class="muted">${call.kind}</span></th>
              <td><${StatesOf} call=${call} selected=${selected} onSelect=${onSelect} /></td>
              <td colspan="3" class="muted">${HOW[call.how] ?? ""}</td>
            </tr>`)}
          </tbody>
        </table></div>`}
  </section>`;
}

function FunctionRow({ call, counts, selected, onSelect }) {
  const last = counts?.lastError;
  return html`<tr>
    <th scope="row"><a href=${address(["architecture"], { part: call.id })}>${call.title}</a></th>
    <td><${StatesOf} call=${call} selected=${selected} onSelect=${onSelect} /></td>
    <td class="right number">${counts ? counts.invocations : ""}</td>
    <td class=${`right number ${counts?.errors ? "bad" : ""}`}>${counts?.errors ? html`<${StatusIcon} of="failed" /> ` : ""}${counts ? counts.errors : ""}</td>
    <td class="last-error">
      ${!counts || counts.reading
        ? html`<span class="muted">…</span>`
        : !last
          ? html`<span class="muted">none in 24 hours</span>`
          : html`<span class="bad">${last.text}</span> <span class="muted"><${Time} at=${last.at} /></span>${last.run && html` <a href=${address(["runs", last.run])}>Run</a>`}`}
    </td>
  </tr>`;
}

function StatesOf({ call, selected, onSelect }) {
  return call.states.map(({ id, name }, index) => html`${index > 0 && ", "}<button
    key=${id}
    class=${`link ${id === selected ? "current" : ""}`}
    onClick=${() => onSelect(id)}
  >${name}</button>`);
}

/** Start a run with a sample: the input of an earlier one, edited. */
function Start({ data, onClose }) {
  const { data: found, error } = useData(path("workflows", data.name, "samples"));
  const [sample, setSample] = useState(null);
  const [text, setText] = useState("{}");
  const [value, setValue] = useState({});
  const [name, setName] = useState("");
  const take = (index) => {
    const given = found.samples[index]?.input ?? {};
    setSample(index);
    setText(JSON.stringify(given, null, 2));
    setValue(given);
  };
  useEffect(() => {
    if (found?.samples.length && sample === null) take(0);
  }, [found]);
  const start = async () => {
    const { id } = await post(path("workflows", data.name, "start"), { input: value, ...(name && { name }) });
    if (id) go(address(["runs", id]));
  };
  const hidden = text.includes("•••••• hidden");
  return html`<${ActionDialog} title=${`Start ${data.title}`} verb="Start the run" run=${start} ready=${value !== undefined && !hidden} onClose=${onClose} wide=${true}>
    ${error && html`<p class="note is-waiting">Earlier inputs could not be read: ${error.message}</p>`}
    ${found?.samples.length > 0 &&
    html`<label class="field"><span>Sample: the input of an earlier run</span>
      <select value=${sample} onChange=${(event) => take(Number(event.currentTarget.value))}>
        ${found.samples.map(({ run, label, status }, index) => html`<option key=${run} value=${index}>${label} (${statusOf(status).word.toLowerCase()})</option>`)}
      </select>
    </label>`}
    ${found && !found.samples.length && html`<p class="muted">There is no earlier run whose input could be a sample.</p>`}
    <${JsonField} key=${sample} label="Input" text=${text} rows=${14} onChange=${(next, parsed) => (setText(next), setValue(parsed))} />
    ${hidden && html`<p class="note is-waiting">Replace what is hidden: secrets of earlier runs are not shown and not sent again.</p>`}
    <label class="field"><span>Name of the execution (optional)</span>
      <input value=${name} maxlength="80" pattern="[A-Za-z0-9_\\-]*" title="Letters, digits, hyphens and underscores" onInput=${(event) => setName(event.currentTarget.value)} />
    </label>
  <//>`;
}
