// An item of a DynamoDB table.

import { useData } from "./api.js";
import { JsonView } from "./json-view.js";
import { StoredPage } from "./stored-page.js";
import { html } from "./view.js";

export function Page({ query }) {
  const { table = "", item = "" } = query;
  const { data, error, reload } = useData("item", { table, item });
  const title = data ? Object.values(data.key).join(" · ") : "Item";
  return html`<${StoredPage} title=${title} kind="table" store=${table} storeTitle=${data?.title} what="this item" data=${data} error=${error} reload=${reload}>
    ${() => html`<section class="card" aria-label="Item">
      <header><h2>Item</h2></header>
      <${JsonView} value=${data.item} label="Item" />
    </section>`}
  <//>`;
}
