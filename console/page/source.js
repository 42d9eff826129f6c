// A machine's definition as deployed: the lines of the selected state are marked, and a click on a
// line selects its state.

import { CopyButton } from "./dialog.js";
import { html, useEffect, useMemo, useRef, useState } from "./view.js";

const LINE = 19; // pixels; also in workflows.css
const STEP = 40; // lines

/** `lines`: { nodeId: [first, last] }, from 1; a state inside another one has fewer lines. */
export function Source({ text, lines, names, selected, onSelect }) {
  const view = useRef(null);
  const rows = useMemo(() => text.split("\n"), [text]);
  const states = useMemo(() => innermost(lines, rows.length), [lines, rows.length]);
  const starts = useMemo(() => new Map(Object.entries(lines).map(([id, [first]]) => [first, id])), [lines]);
  const range = lines[selected];

  useEffect(() => {
    const box = view.current;
    if (!box || !range) return;
    const [top, bottom] = [(range[0] - 1) * LINE, range[1] * LINE];
    const inside = top >= box.scrollTop && Math.min(bottom, top + 4 * LINE) <= box.scrollTop + box.clientHeight;
    if (!inside) box.scrollTo({ top: Math.max(0, top - 2 * LINE), left: 0 });
  }, [range?.[0], range?.[1]]);

  const click = (event) => {
    if (window.getSelection()?.toString()) return; // somebody selects text
    const row = event.target.closest("[data-line]");
    const id = row && states[Number(row.dataset.line) - 1];
    if (id) onSelect(id);
  };
  // Lines out of sight have no colours: there may be thousands.
  const [from, to] = useVisible(view, rows.length);
  const content = useMemo(
    () => rows.map((row, index) => {
      const id = starts.get(index + 1);
      const shown = index >= from && index < to ? coloured(row) : row;
      return html`<div key=${index} class="source-line" data-line=${index + 1}>${id
        ? html`<button class="source-state" aria-label=${`State ${names[id] ?? id}`}>${shown}</button>`
        : shown}</div>`;
    }),
    [rows, starts, from, to],
  );
  return html`<section class="card source" aria-label="Definition">
    <header><h2>Definition</h2><div class="right tools"><${CopyButton} text=${text} /></div></header>
    <div class="source-view" ref=${view} tabindex="0" role="group" aria-label=${`${rows.length} lines`} onClick=${click}>
      <div class="source-lines" style=${{ height: `${rows.length * LINE}px` }}>
        ${range && html`<div class="source-mark" style=${{ top: `${(range[0] - 1) * LINE}px`, height: `${(range[1] - range[0] + 1) * LINE}px` }}></div>`}
        ${content}
      </div>
    </div>
  </section>`;
}

/** The lines in sight, in steps, so that scrolling renders seldom. */
function useVisible(view, count) {
  const [at, setAt] = useState(0);
  useEffect(() => {
    const box = view.current;
    const measure = () => setAt(Math.floor(box.scrollTop / (STEP * LINE)) * STEP);
    box.addEventListener("scroll", measure, { passive: true });
    return () => box.removeEventListener("scroll", measure);
  }, []);
  return [Math.max(0, at - STEP), Math.min(count, at + 3 * STEP)];
}

/** The innermost state of each line, or null. */
export function innermost(lines, count) {
  const found = new Array(count).fill(null);
  const widestFirst = Object.entries(lines).sort(([, a], [, b]) => b[1] - b[0] - (a[1] - a[0]));
  for (const [id, [first, last]] of widestFirst) found.fill(id, first - 1, last);
  return found;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)/g;

/** Names, texts and other values of a line of JSON, each in a colour of its own. */
function coloured(line) {
  const parts = [];
  let at = 0;
  for (const match of line.matchAll(TOKEN)) {
    parts.push(line.slice(at, match.index));
    const [all, text, colon, scalar] = match;
    if (text) parts.push(html`<span class=${colon ? "json-key" : "json-string"}>${text}</span>`, colon ?? "");
    else parts.push(html`<span class="json-scalar">${scalar}</span>`);
    at = match.index + all.length;
  }
  parts.push(line.slice(at));
  return parts;
}
