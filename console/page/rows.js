// Rows that open in place: log lines, history events. A part at a time, as each may have any height.

import { html, useState } from "./view.js";

const CHUNK = 200;

/** rows: [{ key, …}]; summary(row) and details(row) give what is in them. */
export function OpenRows({ label, rows, summary, details, rowClass = () => "", rest = null }) {
  const [shown, setShown] = useState(CHUNK);
  const [open, setOpen] = useState(new Set());
  const toggle = (key) => {
    const next = new Set(open);
    if (!next.delete(key)) next.add(key);
    setOpen(next);
  };
  return html`<ul class="open-rows" aria-label=${label}>
      ${rows.slice(0, shown).map(
        (row) => html`<li key=${row.key} class=${rowClass(row)}>
          <button class="open-row" aria-expanded=${open.has(row.key)} onClick=${() => toggle(row.key)}>${summary(row)}</button>
          ${open.has(row.key) && html`<div class="open-row-details">${details(row)}</div>`}
        </li>`,
      )}
    </ul>
    ${rows.length > shown
      ? html`<p class="more"><button onClick=${() => setShown(shown + CHUNK)}>Show ${Math.min(CHUNK, rows.length - shown)} more of ${rows.length}</button></p>`
      : rest}`;
}
