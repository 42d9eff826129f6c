// The run's history as Step Functions recorded it, event by event.

import { get, path, useData } from "./api.js";
import { JsonView } from "./json-view.js";
import { grouped } from "./numbers.js";
import { OpenRows } from "./rows.js";
import { Empty, Failure, Loading } from "./states.js";
import { clockWithMillis, exact } from "./time.js";
import { html, useEffect, useState } from "./view.js";

const PAGE = 500;

export function History({ id, revision }) {
  const { data, error, reload } = useData(path("runs", id, "history"), { offset: 0, limit: PAGE });
  const [older, setOlder] = useState([]);
  useEffect(() => {
    if (revision) reload();
  }, [revision]);
  if (error && !data) return html`<${Failure} error=${error} retry=${reload} what="the history" />`;
  if (!data) return html`<${Loading} what="history" />`;
  const events = [...data.events, ...older.filter((event) => event.id > (data.events.at(-1)?.id ?? 0))];
  if (!events.length) return html`<${Empty} title="No history yet" />`;
  const more = async () => {
    const next = await get(path("runs", id, "history"), { offset: events.length, limit: PAGE });
    setOlder([...older, ...next.events]);
  };
  return html`<${OpenRows}
    label="History"
    rows=${events.map((event) => ({ key: event.id, event }))}
    rowClass=${({ event }) => `history-row ${/Failed|TimedOut|Aborted/.test(event.type) ? "is-failed" : ""}`}
    summary=${({ event }) => html`<span class="number muted">${event.id}</span>
      <span class="number" title=${exact(event.at)}>${clockWithMillis(event.at)}</span>
      <span class="history-type">${event.type}</span>
      <span class="muted">${event.state ?? ""}</span>
      <span class="history-summary">${event.summary}</span>`}
    details=${({ event }) => html`<${JsonView} value=${{ previous: event.previous, ...event.details }} label="Details" />`}
    rest=${events.length < data.total && html`<p class="more"><button onClick=${more}>Load more of ${grouped(data.total)}</button></p>`}
  />`;
}
