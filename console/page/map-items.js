// The items of a Map: counts first, then each item, whatever their number.

import { get, path, useData } from "./api.js";
import { statusOf, StatusIcon } from "./icons.js";
import { grouped } from "./numbers.js";
import { Problems } from "./problems.js";
import { address as urlOf } from "./router.js";
import { Empty, Failure, Loading } from "./states.js";
import { Table } from "./table.js";
import { Duration } from "./time.js";
import { html, useEffect, useRef, useState } from "./view.js";

const PAGE = 200;
const STATUSES = ["", "failed", "caught", "running", "waiting", "succeeded", "cancelled"];

const COLUMNS = [
  { key: "status", title: html`<span class="visually-hidden">Status</span>`, width: "14px", cell: (item) => html`<${StatusIcon} of=${item.status} />` },
  { key: "index", title: "Item", width: "48px", align: "right", cell: (item) => html`<span class="number">${item.index ?? "·"}</span>` },
  { key: "label", title: "Input", width: "minmax(0, 3fr)", action: true, cell: (item) => html`<span title=${item.label}>${item.label || `Item ${item.index}`}</span>` },
  { key: "error", title: "Error", width: "minmax(0, 2fr)", cell: (item) => item.error && html`<span class="is-failed where" title=${item.error}>${item.error}</span>` },
  { key: "took", title: "Took", width: "64px", align: "right", cell: (item) => item.startedAt && html`<${Duration} from=${item.startedAt} to=${item.stoppedAt} />` },
];

/** `item` is the index of the one that is selected. */
export function MapItems({ id, node, revision, item, onSelect }) {
  const [filter, setFilter] = useState({ status: "", text: "" });
  const [asked, setAsked] = useState(filter);
  const timer = useRef(0);
  const address = path("runs", id, "map", node);
  const { data, error, reload } = useData(address, { ...asked, offset: 0, limit: PAGE });
  const [further, setFurther] = useState({ of: null, items: [] });
  const loading = useRef(false);
  useEffect(() => {
    if (revision) reload();
  }, [revision]);

  const key = JSON.stringify([address, asked]);
  const loaded = further.of === key ? further.items : [];
  const last = useRef(null);
  if (data) last.current = data;
  const shown = data ?? last.current;
  const items = shown ? [...shown.items, ...loaded] : [];
  const more = async () => {
    if (!data || loading.current || items.length >= data.total) return;
    loading.current = true;
    try {
      const page = await get(address, { ...asked, offset: items.length, limit: PAGE });
      setFurther((before) => ({ of: key, items: [...(before.of === key ? before.items : []), ...page.items] }));
    } catch {
      // Tried again when the last row is next in sight.
    } finally {
      loading.current = false;
    }
  };
  const change = (name, wait) => (event) => {
    const next = { ...filter, [name]: event.currentTarget.value };
    setFilter(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(setAsked, wait, next);
  };

  return html`<div class="map-items">
    <div class="filters">
      <input type="search" placeholder="Search items" aria-label="Search items" value=${filter.text} onInput=${change("text", 200)} />
      <select aria-label="Status of the items" value=${filter.status} onChange=${change("status", 0)}>
        ${STATUSES.map((status) => html`<option key=${status} value=${status}>${status ? statusOf(status).word : "Any status"}</option>`)}
      </select>
      ${shown && html`<span class="muted number" role="status">${grouped(shown.total)} items</span>`}
    </div>
    <${Problems} problems=${shown?.problems} />
    ${error && !data
      ? html`<${Failure} error=${error} retry=${reload} what="the items" />`
      : !shown
        ? html`<${Loading} what="items" />`
        : items.length
          ? html`<${Table} label="Items" noun="item" keys=${false} columns=${COLUMNS} rows=${items} rowKey=${(one) => one.run ?? one.index} href=${items[0].run && ((one) => urlOf(["runs", one.run]))} select=${(one) => onSelect(one.index)} selected=${item} onEnd=${more} />`
          : html`<${Empty} title=${asked.text || asked.status ? "No item matches" : shown.problems?.length ? "No items could be read" : "No items yet"} />`}
  </div>`;
}
