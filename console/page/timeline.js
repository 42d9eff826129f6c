// The timeline: states, functions, events and what happened outside, on one clock. A table says
// the same.

import { statusOf } from "./icons.js";
import { TimelineTable } from "./timeline-table.js";
import { clock, clockWithMillis, duration, useNow } from "./time.js";
import { buildScale, lanes, thin, ticks } from "./timeline-scale.js";
import { html, useEffect, useMemo, useRef, useState } from "./view.js";

const WHOLE = [0, 1];
const ROWS = 60; // of a group, shown at once
const KINDS = { work: "", wait: "waits", queue: "in the queue", hop: "from event to event" };
const LEGEND = [["bar work is-succeeded", "works"], ["bar wait is-waiting", "waits"], ["bar queue", "in the queue"], ["mark", "event"]];

/** `onFunction`: show the log lines of a function, by its title. */
export function Timeline({ timeline, selected, onSelect, onFunction, frozen = false }) {
  const running = timeline.end === null;
  const now = useNow(running && !frozen);
  const scale = useMemo(() => buildScale(timeline, now), [timeline, running ? now : 0]);
  const [view, setView] = useState(WHOLE);
  const [all, setAll] = useState({});
  const [table, setTable] = useState(false);
  const plot = useRef(null);
  const narrow = plot.current?.clientWidth < 500;
  const zoomed = view !== WHOLE;
  const place = (at) => ((scale.toUnit(at) - view[0]) / (view[1] - view[0])) * 100;

  const zoom = (factor, around = (view[0] + view[1]) / 2) => {
    const [a, b] = [around - (around - view[0]) / factor, around + (view[1] - around) / factor];
    setView(b - a >= 1 ? WHOLE : b - a < 1e-5 ? view : shift([a, b], 0));
  };
  const pan = (by) => zoomed && setView(shift(view, by * (view[1] - view[0])));
  const gestures = useGestures({ plot, view, zoom, pan, setView, scale, table });
  const keydown = (event) => {
    const act = { "+": () => zoom(1.6), "=": () => zoom(1.6), "-": () => zoom(1 / 1.6), 0: () => setView(WHOLE), ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2) }[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  };

  const groups = groupRows(timeline.rows);
  const grid = () => html`<div class="timeline-grid" ref=${plot} tabindex="0" role="group" aria-label="Timeline. Plus and minus zoom, arrow keys move." onKeyDown=${keydown} ...${gestures.handlers}>
    <div class="timeline-row axis">
      <div class="timeline-label"></div>
      <div class="timeline-bars">
        <${Axis} scale=${scale} view=${view} place=${place} count=${narrow ? 3 : 8} />
      </div>
    </div>
    ${groups.map(([group, rows]) => {
      const shown = all[group] ? rows : rows.slice(0, ROWS);
      return html`<div class="timeline-row group" key=${group}><h3 class="timeline-label">${group}</h3><div class="timeline-bars"></div></div>
        ${shown.map((row) => html`<${Row} key=${row.id} row=${row} scale=${scale} place=${place} end=${timeline.end ?? now} view=${view} selected=${row.node !== null && row.node === selected} onSelect=${onSelect} onFunction=${onFunction} />`)}
        ${rows.length > shown.length && html`<div class="timeline-row" key=${`${group} more`}><button class="quiet small" onClick=${() => setAll({ ...all, [group]: true })}>Show all ${rows.length}</button></div>`}`;
    })}
    <div class="timeline-overlay" aria-hidden="true">
      ${scale.cuts.map((cut) => html`<i key=${cut.from} class="cut-band" style=${{ left: `${place(cut.from)}%`, width: `${place(cut.to) - place(cut.from)}%` }}></i>`)}
      <i class="selection" ref=${gestures.selection} hidden></i>
      <i class="cursor" ref=${gestures.cursor} hidden><b></b></i>
    </div>
  </div>`;
  return html`<section class="card timeline" aria-label="Timeline">
    <header>
      <h2>Timeline</h2>
      <ul class="timeline-legend" aria-hidden="true">${LEGEND.map(([look, text]) => html`<li key=${text}><i class=${look}></i>${text}</li>`)}</ul>
      <div class="right tools">
        <span class="number range">${clock(scale.start)} – ${running ? "now" : clock(scale.end)}</span>
        ${!table &&
        html`<button class="quiet small" aria-label="Zoom out" disabled=${!zoomed} onClick=${() => zoom(1 / 1.6)}>−</button>
          <button class="quiet small" disabled=${!zoomed} onClick=${() => setView(WHOLE)}>Fit</button>
          <button class="quiet small" aria-label="Zoom in" onClick=${() => zoom(1.6)}>+</button>`}
        <button class="quiet small" aria-pressed=${table} onClick=${() => setTable(!table)}>Table</button>
      </div>
    </header>
    ${table ? html`<${TimelineTable} timeline=${timeline} end=${timeline.end ?? now} onSelect=${onSelect} onFunction=${onFunction} />` : grid()}
  </section>`;
}

/** Round times, the silences that were cut out, and the end. */
function Axis({ scale, view, place, count }) {
  const cuts = scale.cuts.map((cut) => ({ cut, left: place(cut.from) }));
  const room = 60 / count; // per cent that a text takes
  const end = place(scale.end);
  const free = ({ unit }) => {
    const left = ((unit - view[0]) / (view[1] - view[0])) * 100;
    return left < 100 - room && (end > 101 || left < end - 2 * room) && !cuts.some((cut) => left > cut.left - room && left < cut.left + 4);
  };
  return html`${ticks(scale, view, count)
      .filter(free)
      .map(({ unit, elapsed, step }) => html`<span key=${elapsed} class="tick" style=${{ left: `${((unit - view[0]) / (view[1] - view[0])) * 100}%` }}>${tickText(elapsed, step)}</span>`)}
    ${cuts.map(({ cut, left }) => html`<span key=${cut.from} class="tick cut" title=${`${duration(cut.to - cut.from)} in which nothing changed`} style=${{ left: `${left}%` }}>· · ·</span>`)}
    ${end < 101 && html`<span class="tick last" style=${{ left: `${end}%` }}>${duration(scale.end - scale.start)}</span>`}`;
}

function Row({ row, scale, place, end, view, selected, onSelect, onFunction }) {
  const select = row.node === null ? null : () => onSelect(row.node);
  const choose = select ?? (row.group === "Functions" ? () => onFunction(row.label) : null);
  const bars = thin(row.bars, scale, end, (view[1] - view[0]) / 400);
  const [count, lane] = lanes(bars, end);
  const stack = count > 1 ? { height: `${15 + count * 6}px` } : undefined;
  return html`<div class=${`timeline-row ${selected ? "selected" : ""}`}>
    <div class="timeline-label">
      ${choose
        ? html`<button class="link" title=${select ? row.label : `${row.label}: show its log lines`} onClick=${choose}>${row.label}</button>`
        : row.link?.href
          ? html`<a href=${row.link.href} title=${row.label}>${row.label}</a>`
          : html`<span title=${row.label}>${row.label}</span>`}
    </div>
    <div class=${`timeline-bars ${count > 1 ? "stacked" : ""}`} style=${stack} onClick=${(event) => event.target.closest(".bar:not(a)") && choose?.()}>
      ${bars.map((bar, index) => {
        const left = place(bar.start);
        const right = place(bar.end ?? end);
        if (right < 0 || left > 100.01) return null;
        const [from, to] = [Math.max(-1, Math.min(left, 99.7)), Math.min(101, right)];
        const style = { left: `${from}%`, width: `${Math.max(0, to - from)}%`, ...(count > 1 ? { top: `${8 + lane[index] * 6}px` } : {}) };
        const text = barText(row, bar, end);
        // The table has the links for the keyboard: here a Map would be a hundred stops for the Tab key.
        return bar.link
          ? html`<a key=${index} class=${`bar ${bar.kind} is-${bar.status}`} href=${bar.link} tabindex="-1" title=${text} aria-label=${text} style=${style}></a>`
          : html`<i key=${index} class=${`bar ${bar.kind} is-${bar.status}`} role="img" title=${text} aria-label=${text} style=${style}></i>`;
      })}
      ${row.marks.map((mark, index) => {
        const left = place(mark.at);
        if (left < 0 || left > 100) return null;
        const text = `${mark.label}, ${clockWithMillis(mark.at)}`;
        return mark.link
          ? html`<a key=${`m${index}`} class="mark" href=${mark.link} tabindex="-1" title=${text} aria-label=${text} style=${{ left: `${left}%` }}></a>`
          : html`<i key=${`m${index}`} class="mark" role="img" title=${text} aria-label=${text} style=${{ left: `${left}%` }}></i>`;
      })}
    </div>
  </div>`;
}

function barText(row, bar, end) {
  const parts = [
    row.label,
    bar.count > 1 ? `${bar.count} of them` : bar.attempt && row.bars.length > 1 ? `attempt ${bar.attempt}` : "",
    bar.label ?? "",
    KINDS[bar.kind],
    statusOf(bar.status).word.toLowerCase(),
    `${duration((bar.end ?? end) - bar.start)} from ${clockWithMillis(bar.start)}`,
  ];
  return parts.filter(Boolean).join(", ");
}

function tickText(elapsed, step) {
  if (elapsed === 0) return "0 s";
  if (step < 1000 && elapsed < 60_000) return step < 10 ? `${elapsed} ms` : `${(elapsed / 1000).toFixed(step < 100 ? 2 : 1)} s`;
  if (elapsed < 60_000) return `${Math.round(elapsed / 1000)} s`;
  return duration(elapsed);
}

function groupRows(rows) {
  const groups = new Map();
  for (const row of rows) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
  return [...groups];
}

/** A window moved by so much, and kept within the whole. */
function shift([a, b], by) {
  const move = Math.max(-a, Math.min(1 - b, by));
  return [a + move, b + move];
}

/** The cursor follows the pointer; a drag zooms to what it spans; Ctrl and the wheel zoom. */
function useGestures({ plot, view, zoom, pan, setView, scale, table }) {
  const cursor = useRef(null);
  const selection = useRef(null);
  const drag = useRef(null);
  const latest = useRef(null);

  const area = () => plot.current.querySelector(".timeline-overlay").getBoundingClientRect();
  const unitAt = (clientX, box = area()) => view[0] + ((clientX - box.left) / box.width) * (view[1] - view[0]);
  latest.current = { zoom, pan, unitAt };

  useEffect(() => {
    if (table) return undefined;
    const grid = plot.current;
    const wheel = (event) => {
      const { zoom, pan, unitAt } = latest.current;
      if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / 200), unitAt(event.clientX));
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / area().width);
      else return;
      event.preventDefault();
    };
    grid.addEventListener("wheel", wheel, { passive: false });
    return () => grid.removeEventListener("wheel", wheel);
  }, [table]);

  const hide = () => {
    cursor.current.hidden = true;
    selection.current.hidden = true;
    drag.current = null;
  };
  const move = (event) => {
    const box = area();
    const x = event.clientX - box.left;
    if (x < 0 || x > box.width) return hide();
    const line = cursor.current;
    line.hidden = false;
    line.style.transform = `translateX(${x}px)`;
    const at = scale.fromUnit(unitAt(event.clientX, box));
    line.firstChild.textContent = `${clockWithMillis(at)} · +${duration(at - scale.start)}`;
    line.firstChild.className = x > box.width / 2 ? "left" : "";
    if (drag.current !== null) {
      const [a, b] = [Math.min(drag.current, x), Math.max(drag.current, x)];
      Object.assign(selection.current.style, { left: `${a}px`, width: `${b - a}px` });
      selection.current.hidden = b - a < 6;
    }
    return undefined;
  };
  const down = (event) => {
    const box = area();
    const x = event.clientX - box.left;
    if (event.button === 0 && event.pointerType !== "touch" && x >= 0) drag.current = x;
  };
  const up = (event) => {
    const box = area();
    const x = event.clientX - box.left;
    if (drag.current !== null && Math.abs(x - drag.current) >= 6) {
      const [a, b] = [Math.min(drag.current, x), Math.max(drag.current, x)].map((px) => view[0] + (px / box.width) * (view[1] - view[0]));
      if (b - a > 1e-5) setView(shift([a, b], 0));
    }
    drag.current = null;
    selection.current.hidden = true;
  };
  return { cursor, selection, handlers: { onPointerMove: move, onPointerDown: down, onPointerUp: up, onPointerLeave: hide, onDblClick: () => setView(WHOLE) } };
}
