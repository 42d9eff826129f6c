// The timeline's bars and marks as a table, in the order of time.

import { statusOf } from "./icons.js";
import { Table } from "./table.js";
import { clockWithMillis, duration } from "./time.js";
import { html, useMemo } from "./view.js";

const KINDS = { work: "works", wait: "waits", queue: "in the queue", hop: "from event to event", event: "event" };

export function TimelineTable({ timeline, end, selected, onSelect, onFunction }) {
  const entries = useMemo(() => inOrder(timeline.rows, end), [timeline, end]);
  return html`<div class="timeline-table"><${Table} label="Timeline, in the order of time" keys=${false} columns=${columns(onSelect, onFunction)} rows=${entries} rowKey=${({ key }) => key} selected=${selected} heights=${[32, 56]} /></div>`;
}

function inOrder(rows, end) {
  const entries = [];
  for (const row of rows) {
    row.bars.forEach((bar, index) => entries.push({ ...bar, key: `${row.id} b${index}`, row, at: bar.start, took: (bar.end ?? end) - bar.start }));
    row.marks.forEach((mark, index) => entries.push({ ...mark, key: `${row.id} m${index}`, row, kind: "event" }));
  }
  return entries.sort((a, b) => a.at - b.at);
}

const columns = (onSelect, onFunction) => [
  { key: "at", title: "Time", width: "100px", cell: ({ at }) => html`<span class="number">${clockWithMillis(at)}</span>` },
  { key: "group", title: "Of", width: "minmax(0, 0.7fr)", cell: ({ row }) => html`<span class="muted">${row.group}</span>` },
  { key: "name", title: "What", width: "minmax(0, 1.4fr)", cell: ({ row }) => html`<${Name} row=${row} onSelect=${onSelect} onFunction=${onFunction} />` },
  { key: "kind", title: "How", width: "minmax(0, 1fr)", cell: ({ kind, status, attempt }) => [KINDS[kind], status && statusOf(status).word.toLowerCase(), attempt && `attempt ${attempt}`].filter(Boolean).join(", ") },
  { key: "about", title: "Event", width: "minmax(0, 1.6fr)", cell: ({ label, link }) => link ? html`<a href=${link} title=${label}>${label}</a>` : html`<span title=${label}>${label}</span>` },
  { key: "took", title: "Took", width: "84px", align: "right", cell: ({ took }) => (took === undefined ? "" : html`<span class="number">${duration(took)}</span>`) },
];

function Name({ row, onSelect, onFunction }) {
  if (row.node !== null) return html`<button class="link" onClick=${() => onSelect(row.node)}>${row.label}</button>`;
  if (row.group === "Functions") return html`<button class="link" title="Show its log lines" onClick=${() => onFunction(row.label)}>${row.label}</button>`;
  return row.link?.href ? html`<a href=${row.link.href}>${row.label}</a>` : row.label;
}
