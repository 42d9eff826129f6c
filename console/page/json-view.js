// JSON to read: collapsible, copied as a whole, long parts shown on demand. All of it is text.

import { CopyButton } from "./dialog.js";
import { html, useState } from "./view.js";

const OPEN_DEPTH = 3; // deeper objects start closed
const CHUNK = 100; // children shown at once
const LONG = 2000; // characters of a string shown at once

export function JsonView({ value, label = "JSON", copy = true }) {
  if (value === undefined) return null;
  return html`<div class="json" role="group" aria-label=${label}>
    ${copy && html`<div class="json-copy"><${CopyButton} text=${() => JSON.stringify(value, null, 2)} /></div>`}
    <${Node} value=${value} depth=${0} last=${true} />
  </div>`;
}

function Node({ name, value, depth, last }) {
  const nested = value !== null && typeof value === "object";
  const entries = nested ? Object.entries(value) : [];
  const [open, setOpen] = useState(depth === 0 || (depth < OPEN_DEPTH && entries.length <= CHUNK));
  const [shown, setShown] = useState(CHUNK);
  const key = name !== undefined && html`<span class="json-key">${JSON.stringify(name)}</span>: `;
  const comma = last ? "" : ",";
  if (!nested) return html`<div class="json-line">${key}<${Scalar} value=${value} />${comma}</div>`;

  const [left, right] = Array.isArray(value) ? "[]" : "{}";
  if (entries.length === 0) return html`<div class="json-line">${key}${left}${right}${comma}</div>`;
  const count = `${entries.length} ${Array.isArray(value) ? "item" : "key"}${entries.length === 1 ? "" : "s"}`;
  return html`<div class="json-node">
    <div class="json-line">
      <button
        class="json-toggle"
        aria-expanded=${open}
        aria-label=${`${name ?? "the whole value"}, ${count}`}
        onClick=${() => setOpen(!open)}
      ></button>
      ${key}${left}${!open && html`<button class="json-more" tabindex="-1" onClick=${() => setOpen(true)}>${count}</button>${right}${comma}`}
    </div>
    ${open &&
    html`<div class="json-children">
        ${entries.slice(0, shown).map(
          ([child, inner], index) =>
            html`<${Node}
              key=${child}
              name=${Array.isArray(value) ? undefined : child}
              value=${inner}
              depth=${depth + 1}
              last=${index === entries.length - 1}
            />`,
        )}
        ${entries.length > shown &&
        html`<button class="json-more" onClick=${() => setShown(shown + CHUNK)}>${entries.length - shown} more…</button>`}
      </div>
      <div class="json-line">${right}${comma}</div>`}
  </div>`;
}

function Scalar({ value }) {
  const [whole, setWhole] = useState(false);
  const [parsed, setParsed] = useState(undefined);
  if (typeof value !== "string") return html`<span class="json-scalar">${String(value)}</span>`;
  if (parsed !== undefined) {
    return html`<span class="json-inner"><button class="json-more" onClick=${() => setParsed(undefined)}>as text</button><${Node} value=${parsed} depth=${0} last=${true} /></span>`;
  }
  const cut = value.length > LONG && !whole;
  return html`<span class="json-string">${JSON.stringify(cut ? value.slice(0, LONG) : value)}</span>
    ${cut && html`<button class="json-more" onClick=${() => setWhole(true)}>${value.length - LONG} more characters…</button>`}
    ${/^\s*[[{]/.test(value) && html`<button class="json-more" onClick=${() => setParsed(parse(value))}>as JSON</button>`}`;
}

/** JSON within a string, such as the cause of a failed function. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A text that is JSON is shown as such, any other as it is. */
export function JsonText({ text, label }) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return html`<pre class="text">${text}</pre>`;
  }
  return html`<${JsonView} value=${value} label=${label} />`;
}
