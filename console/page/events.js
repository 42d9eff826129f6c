// Events: the event log as it grows; which rules match an event, and why not; sending one.

import { get, onLive, path, post, stack, useData } from "./api.js";
import { Choice, SearchField } from "./filters.js";
import { Icon, StatusIcon } from "./icons.js";
import { JsonView } from "./json-view.js";
import { useKeys } from "./keyboard.js";
import { Link } from "./links.js";
import { Listing } from "./listing.js";
import { address, setQuery } from "./router.js";
import { SendEvent } from "./send-event.js";
import { useTitle } from "./shell.js";
import { PanelFrame, readOnly, Split } from "./split.js";
import { Empty, Failure, Loading } from "./states.js";
import { useStore } from "./store.js";
import { Tabs } from "./tabs.js";
import { clockWithMillis, exact } from "./time.js";
import { html, useCallback, useEffect, useRef, useState } from "./view.js";

const PAGE = 200;

export function Page({ segments, query }) {
  useTitle("Events");
  const about = useStore(stack);
  const [sending, setSending] = useState(null);
  const selected = query.event ?? segments[0];
  const filter = { text: query.text ?? "", source: query.source ?? "", type: query.type ?? "" };
  const refused = readOnly(about);
  useKeys({ "/": { help: "Search", run: () => document.getElementById("events-text")?.focus() } });
  return html`<div class="split-page">
    <div class="head"><h1>Events</h1>
      <div class="actions"><button disabled=${Boolean(refused)} title=${refused} onClick=${() => setSending({})}>Send an event…</button></div>
    </div>
    ${about.hasEventLog
      ? html`<${Split} name="event" panel=${selected && html`<${EventPanel} key=${selected} id=${selected} query=${query} send=${setSending} />`}>
          <${List} filter=${filter} selected=${selected} />
        <//>`
      : html`<section class="card"><${Empty} title="The stack keeps no event log">
          <p>EventBridge does not keep events. A stack shows its events here if it stores them in a table and names the table in its output <code>EventLogTable</code>. You can still send an event.</p>
        <//></section>`}
    ${sending && html`<${SendEvent} given=${sending} onClose=${() => setSending(null)} onSent=${(id) => about.hasEventLog && setQuery({ event: id, tab: null, rule: null })} />`}
  </div>`;
}

// ---- the list -----------------------------------------------------------------------------------

const newestFirst = (a, b) => (a.order < b.order ? 1 : -1);

function merge(events, more) {
  const byId = new Map(events.map((event) => [event.id, event]));
  for (const event of more) byId.set(event.id, event);
  return [...byId.values()].sort(newestFirst);
}

function useEvents(filter) {
  const key = JSON.stringify(filter);
  const first = useData("events", { ...filter, limit: PAGE });
  const [state, setState] = useState({ key, events: null, next: null, kinds: [] });
  const [held, setHeld] = useState([]);
  const loading = useRef(false);
  const current = state.key === key ? state : { ...state, key, events: null };

  useEffect(() => {
    if (!first.data) return;
    setHeld([]);
    setState((before) => {
      const kept = before.key === key && before.events && first.data.next ? before : null;
      return {
        key,
        events: merge(kept?.events ?? [], first.data.events),
        next: kept && kept.events.length > first.data.events.length ? kept.next : first.data.next,
        kinds: first.data.kinds,
      };
    });
  }, [first.data, key]);

  useEffect(() => {
    let later = 0;
    const stop = onLive("events", (events) => {
      if (filter.text) {
        later ||= setTimeout(() => {
          later = 0;
          first.reload(); // the server searches the whole detail
        }, 300);
        return;
      }
      const fresh = events.filter(({ source, type }) => (!filter.source || source === filter.source) && (!filter.type || type === filter.type));
      // Who has scrolled down reads: new events wait, so that the rows stay where they are.
      if (window.scrollY > 200) setHeld((before) => merge(before, fresh));
      else setState((before) => (before.key === key && before.events ? { ...before, events: merge(before.events, fresh) } : before));
    });
    const resync = onLive("resync", first.reload);
    return () => {
      clearTimeout(later);
      stop();
      resync();
    };
  }, [key, first.reload]);

  const showHeld = () => {
    setState((before) => ({ ...before, events: merge(before.events, held) }));
    setHeld([]);
    window.scrollTo(0, 0);
  };
  const more = useCallback(async () => {
    if (!current.next || loading.current) return;
    loading.current = true;
    try {
      const page = await get("events", { ...filter, limit: PAGE, before: current.next });
      setState((before) => (before.key === key ? { ...before, events: merge(before.events, page.events), next: page.next } : before));
    } catch {
      // The last row comes into sight again, and so does the next try.
    } finally {
      loading.current = false;
    }
  }, [current.next, key]);
  return { ...current, error: first.error, reload: first.reload, more, held: held.length, showHeld };
}

function List({ filter, selected }) {
  const { events, kinds, error, reload, more, held, showHeld } = useEvents(filter);
  const filtered = Boolean(filter.text || filter.source || filter.type);
  const clear = () => setQuery({ text: null, source: null, type: null });
  return html`<section class="card" aria-label="Events">
    <header><${Filters} filter=${filter} kinds=${kinds} clear=${filtered && clear} /></header>
    ${held > 0 && html`<button class="held" onClick=${showHeld}>${held === 1 ? "1 new event" : `${held} new events`} above</button>`}
    <${Listing} what="the events" label="Events, newest first" noun="event" columns=${COLUMNS} narrow=${Boolean(selected)} rows=${events} error=${error} reload=${reload} selected=${selected} select=${({ id }) => setQuery({ event: id, rule: null }, { replace: false })} onEnd=${more}>
      ${filtered
        ? html`<${Empty} title="No event matches the filter"><p>Events that match appear here as they come.</p><button onClick=${clear}>Clear the filter</button><//>`
        : html`<${Empty} title="No events yet"><p>Every event of the stack appears here by itself.</p><//>`}
    <//>
  </section>`;
}

const COLUMNS = [
  { key: "at", title: "Time", width: "100px", cell: ({ at }) => html`<time class="number" title=${exact(at)}>${clockWithMillis(at)}</time>` },
  { key: "title", title: "Type", width: "minmax(0, 1.2fr)", action: true, cell: ({ type }) => html`<span title=${type}>${type}</span>` },
  { key: "extra", title: "Source", width: "minmax(0, 0.8fr)", cell: ({ source }) => html`<span class="muted" title=${source}>${source}</span>` },
  { key: "dim", title: "Run", width: "minmax(0, 1.2fr)", cell: ({ run, runTitle }) => runTitle ?? run ?? html`<span class="muted">no run</span>` },
  { key: "wide", title: "Detail", width: "minmax(0, 2fr)", cell: ({ preview }) => html`<span class="muted">${preview}</span>` },
];

function Filters({ filter, kinds, clear }) {
  const options = (values, chosen) => [...new Set([...values, chosen].filter(Boolean))].sort().map((one) => [one, one]);
  const ofSource = kinds.filter(({ source }) => !filter.source || source === filter.source);
  return html`<div class="filters" role="search">
    <${SearchField} id="events-text" placeholder="Search events" label="Search events by type, run or detail" value=${filter.text} />
    <${Choice} name="source" label="Source" any="Any source" options=${options(kinds.map(({ source }) => source), filter.source)} value=${filter.source} clears=${{ type: null }} />
    <${Choice} name="type" label="Type" any="Any type" options=${options(ofSource.map(({ type }) => type), filter.type)} value=${filter.type} />
    ${clear && html`<button class="quiet" onClick=${clear}>Clear</button>`}
  </div>`;
}

// ---- one event ----------------------------------------------------------------------------------

function EventPanel({ id, query, send }) {
  const about = useStore(stack);
  const { data, error, reload } = useData(path("events", id));
  useEffect(() => (data ? undefined : onLive("events", reload)), [data, reload]); // it may be on its way
  if (!data) {
    return html`<${PanelFrame} name="event" title="Event">
      ${error?.status === 404
        ? html`<${Empty} title="Not in the event log"><p>An event that was sent just now appears within seconds, if a rule brings it to the event log. Old events are deleted.</p><button onClick=${reload}>Look again</button><//>`
        : error
          ? html`<${Failure} error=${error} retry=${reload} what="this event" />`
          : html`<${Loading} what="the event" />`}
    <//>`;
  }
  const { event, rules } = data;
  const matching = rules.filter(({ matched }) => matched).length;
  const tabs = [["event", "Event"], ["rules", `Rules ${matching} of ${rules.length}`]];
  const tab = query.tab === "rules" ? "rules" : "event";
  const refused = readOnly(about);
  const again = refused ?? event.resend ?? undefined;
  return html`<${PanelFrame}
    name="event"
    title=${event.type}
    actions=${html`<button class="small" disabled=${Boolean(again)} title=${again ?? "As it was, on the same bus"} onClick=${() => sendAgain(event, send)}>Send again…</button>`}
  >
    <header class="panel-tabs"><${Tabs} tabs=${tabs} current=${tab} label="The event" panel="event-part" onSelect=${(key) => setQuery({ tab: key === "event" ? null : key })} /></header>
    <div class="panel-body" id="event-part" role="tabpanel" tabindex="0" aria-label=${tabs.find(([key]) => key === tab)[1]}>
      ${tab === "rules" ? html`<${Rules} id=${id} rules=${rules} open=${query.rule} />` : html`<${Facts} event=${event} />`}
    </div>
  <//>`;
}

const sendAgain = (event, send) =>
  send({ id: event.id, source: event.source, type: event.type, bus: event.buses[0], detail: event.detail });

function Facts({ event }) {
  return html`<dl class="facts">
      <dt>Source</dt><dd>${event.source}</dd>
      <dt>Type</dt><dd>${event.type}</dd>
      ${event.description && html`<dt>Meaning</dt><dd>${event.description}</dd>`}
      <dt>Time</dt><dd class="number">${exact(event.at)}</dd>
      <dt>Bus</dt><dd>${event.buses.length ? html`${event.buses.join(" or ")} <span class="muted">by the rules that match</span>` : html`<span class="muted">unknown: no rule matches</span>`}</dd>
      <dt>Run</dt><dd>${event.run ? html`<a href=${address(["runs", event.run])}>${event.runTitle ?? event.run}</a>` : html`<span class="muted">none</span>`}</dd>
      <dt>Id</dt><dd><code>${event.id}</code></dd>
    </dl>
    ${event.secretsHidden && html`<p class="hint-line">Secrets were removed before the event was stored. A token is shown as a hash: the same token has the same hash.</p>`}
    ${event.truncated && html`<p class="hint-line">Large values were left out when the event was stored.</p>`}
    <section class="panel-section"><h3>Detail</h3><${JsonView} value=${event.detail} label="Detail" /></section>`;
}

const VERDICT = { true: ["succeeded", "Matches"], false: ["cancelled", "Does not match"], null: ["notReached", "Not judged"] };

function Rules({ id, rules, open }) {
  if (!rules.length) return html`<${Empty} title="The stack has no rules" />`;
  return html`<ul class="rules" aria-label="Rules of the stack">
    ${rules.map((rule) => {
      const key = `${rule.bus}|${rule.name}`;
      const [shape, word] = VERDICT[rule.matched];
      const isOpen = open === key;
      return html`<li key=${key}>
        <button class="rule" aria-expanded=${isOpen} onClick=${() => setQuery({ rule: isOpen ? null : key })}>
          <span class=${`status is-${shape}`} role="img" aria-label=${word} title=${word}><${Icon} shape=${shape} /></span>
          <span class="rule-name">${rule.title}</span>
          <span class="rule-bus">${rule.bus}</span>
          <span class="rule-targets">${rule.enabled ? "" : "Disabled. "}${rule.targets.length ? html`→ ${rule.targets.map(({ label }) => label).join(", ")}` : "No target"}</span>
        </button>
        ${isOpen && html`<div class="rule-why"><${Why} id=${id} rule=${rule} /></div>`}
      </li>`;
    })}
  </ul>`;
}

function Why({ id, rule }) {
  const { data, error, reload } = useData(rule.pattern && !rule.problem ? path("events", id, "rules", rule.name) : null, { bus: rule.bus });
  if (!rule.pattern) return html`<p class="muted">The rule has a schedule and no pattern.</p>`;
  if (rule.problem) return html`<p class="note is-failed">${rule.problem}</p>`;
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} what="why" />`;
  if (!data) return html`<${Loading} what="EventBridge's verdict" />`;
  const links = rule.targets.filter(({ href }) => href);
  return html`<p>${data.matched ? "EventBridge says: the pattern matches." : "EventBridge says: the pattern does not match. Every field must."}</p>
    <table class="rule-fields">
      <thead><tr><th><span class="visually-hidden">Verdict</span></th><th>Field</th><th>Wanted</th><th>Found</th></tr></thead>
      <tbody>
        ${data.fields.map(
          (row) => html`<tr key=${`${row.alternative} ${row.path} ${JSON.stringify(row.wanted)}`} class=${row.matches ? "" : "is-failed"}>
            <td><${StatusIcon} of=${row.matches ? "succeeded" : "failed"} /></td>
            <td class="code">${row.path}${row.alternative && html`<br /><span class="muted">alternative ${row.alternative}</span>`}</td>
            <td class="code">${JSON.stringify(row.wanted)}</td>
            <td class="code">${row.missing ? html`<em>missing</em>` : short(JSON.stringify(row.found))}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    ${data.together.length > 0 && html`<p>Each field matches alone, but not all in one element of an array. Without any one of these the pattern would match: ${data.together.join(", ")}.</p>`}
    ${data.secretsHidden && html`<p class="muted">Secrets were removed from the stored event: a pattern on their values may be judged wrongly.</p>`}
    ${links.length > 0 && html`<p>Runs of the targets: ${links.map((link, index) => html`${index > 0 && ", "}<${Link} key=${index} link=${link} />`)}</p>`}`;
}

const short = (text) => (text.length > 300 ? `${text.slice(0, 300)}…` : text);
