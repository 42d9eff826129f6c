// The frame of a page that shows one thing from a bucket or a table of the stack.

import { address } from "./router.js";
import { useTitle } from "./shell.js";
import { Failure, Loading } from "./states.js";
import { html, useEffect } from "./view.js";

/** `store`: the bucket or table. `children`: a function that is called once there is data. */
export function StoredPage({ title, kind, store, storeTitle, what, data, error, reload, children }) {
  useTitle(title, storeTitle);
  useEffect(() => window.scrollTo(0, 0), []);
  return html`<div class="stored-page">
    <p class="crumb">${store && html`<a href=${address(["architecture"], { part: `${kind}/${store}` })}>${storeTitle ?? store}</a>`}</p>
    <div class="head"><h1>${title}</h1></div>
    ${error && !data
      ? html`<section class="card"><${Failure} error=${error} retry=${error.status === 404 ? null : reload} what=${what} /></section>`
      : data
        ? children()
        : html`<section class="card"><${Loading} what=${what} /></section>`}
  </div>`;
}
