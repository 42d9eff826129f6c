// A table that renders only the rows in sight: any number of rows, all of one height.
//
// Own code, as rows have one height: the arithmetic is two divisions, and the well-kept library for
// it (@tanstack/virtual-core, 62 KB) would be more than all of this page's other libraries but one.

import { useKeys } from "./keyboard.js";
import { html, useEffect, useLayoutEffect, useReducer, useRef } from "./view.js";

const OVERSCAN = 8;
const narrowScreen = window.matchMedia("(max-width: 760px)");

/**
 * columns    [{ key, title, width (a grid track), cell: (row) → content, align }]
 * rows       the data; rowKey(row) names a row for ever
 * href(row)  where a click anywhere in the row leads; or select(row) for a row that opens in place
 * selected   the key of the row that is selected
 * onEnd      called when the last rows come into sight
 * heights    [wide, narrow] in pixels; a page's own CSS lays out `.row` for narrow screens
 */
export function Table({ label, columns, rows, rowKey, href, select, selected, onEnd, heights = [32, 32], noun = "row", keys = true }) {
  const body = useRef(null);
  const focusOn = useRef(null);
  const height = narrowScreen.matches ? heights[1] : heights[0];
  const [, render] = useReducer((count) => count + 1, 0);
  const range = useRef([0, 40]);

  const measure = () => {
    if (!body.current) return;
    const top = body.current.getBoundingClientRect().top;
    const within = (row) => Math.max(0, Math.min(rows.length, row)); // none, if all are out of sight
    const first = within(Math.floor(-top / height) - OVERSCAN);
    const last = within(Math.ceil((window.innerHeight - top) / height) + OVERSCAN);
    const [from, to] = range.current;
    if (first !== from || last !== to) {
      range.current = [first, last];
      render();
    }
    if (last >= rows.length && rows.length) onEnd?.();
  };
  const measureLatest = useRef(measure);
  measureLatest.current = measure;
  useLayoutEffect(measure);
  useEffect(() => {
    let frame = 0;
    const later = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        measureLatest.current();
      });
    };
    document.addEventListener("scroll", later, { capture: true, passive: true });
    window.addEventListener("resize", later);
    const relayout = () => render();
    narrowScreen.addEventListener("change", relayout);
    return () => {
      cancelAnimationFrame(frame);
      document.removeEventListener("scroll", later, { capture: true });
      window.removeEventListener("resize", later);
      narrowScreen.removeEventListener("change", relayout);
    };
  }, []);

  // j and k move the focus from row to row, by the row's key: new rows above do not move it.
  const move = (by) => {
    const focused = document.activeElement?.closest?.(".row")?.dataset.key ?? focusOn.current ?? selected;
    const at = rows.findIndex((row) => String(rowKey(row)) === String(focused));
    const next = at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by));
    if (rows[next] === undefined) return;
    focusOn.current = String(rowKey(rows[next]));
    scrollToRow(body.current, next * height, height);
    measure();
    render();
  };
  useLayoutEffect(() => {
    if (focusOn.current === null) return;
    const row = [...body.current.querySelectorAll(".row")].find((element) => element.dataset.key === focusOn.current);
    if (!row) return;
    focusOn.current = null;
    row.querySelector(".row-action")?.focus({ preventScroll: true });
  });
  useKeys(
    keys
      ? {
          j: { help: `Next ${noun}`, run: () => move(1) },
          k: { help: `Previous ${noun}`, run: () => move(-1) },
        }
      : {},
  );

  const [from, to] = [Math.min(range.current[0], rows.length), Math.min(range.current[1], rows.length)];
  const tracks = { "--columns": columns.map(({ width }) => width ?? "1fr").join(" "), "--row-height": `${height}px` };
  return html`<div class="table" role="table" aria-label=${label} aria-rowcount=${rows.length + 1} style=${tracks}>
    <div class="table-head" role="rowgroup">
      <div class="table-titles" role="row">
        ${columns.map(
          ({ key, title, align }) =>
            html`<div key=${key} role="columnheader" class=${`cell cell-${key} ${align ?? ""}`}>${title}</div>`,
        )}
      </div>
    </div>
    <div class="table-body" role="rowgroup" ref=${body} style=${{ height: `${rows.length * height}px` }}>
      ${rows.slice(from, to).map((row, offset) => {
        const key = String(rowKey(row));
        return html`<div
          key=${key}
          role="row"
          aria-rowindex=${from + offset + 2}
          class=${`row ${key === String(selected) ? "selected" : ""}`}
          data-key=${key}
          style=${{ transform: `translateY(${(from + offset) * height}px)` }}
        >
          ${columns.map(
            ({ key: column, cell, align, action }) =>
              html`<div key=${column} role="cell" class=${`cell cell-${column} ${align ?? ""}`}>
                ${action
                  ? href
                    ? html`<a class="row-action" href=${href(row)}>${cell(row)}</a>`
                    : html`<button class="row-action" aria-pressed=${key === String(selected)} onClick=${() => select(row)}>
                        ${cell(row)}
                      </button>`
                  : cell(row)}
              </div>`,
          )}
        </div>`;
      })}
    </div>
  </div>`;
}

function scrollToRow(body, top, height) {
  let scroller = body.parentElement;
  while (scroller && !/auto|scroll/.test(getComputedStyle(scroller).overflowY)) scroller = scroller.parentElement;
  const box = body.getBoundingClientRect();
  const [above, below] = scroller
    ? [scroller.getBoundingClientRect().top, scroller.getBoundingClientRect().bottom]
    : [0, window.innerHeight];
  const margin = height * 2; // the sticky head, and a row beyond
  const target = scroller ?? window;
  const y = box.top + top;
  if (y < above + margin) target.scrollBy(0, y - above - margin);
  else if (y + height > below - margin) target.scrollBy(0, y + height - below + margin);
}
