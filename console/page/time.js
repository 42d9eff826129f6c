// Times and durations for people: relative under a day, the exact one on hover.

import { createStore } from "./store.js";
import { html, useEffect, useState } from "./view.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (number) => String(number).padStart(2, "0");

// Written out: making one Intl.DateTimeFormat takes longer than painting the page's rows.
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "14:38:21" */
export function clock(at) {
  const time = new Date(at);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export const clockWithMillis = (at) => `${clock(at)}.${String(Math.floor(at) % 1000).padStart(3, "0")}`;

const date = (time) => `${time.getDate()} ${MONTHS[time.getMonth()]}`;

/** "Sat 21 Nov 2026, 14:38:21.123 (UTC+01:00)" */
export function exact(at) {
  const time = new Date(at);
  const offset = -time.getTimezoneOffset();
  const zone = offset === 0 ? "UTC" : `UTC${offset < 0 ? "-" : "+"}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${DAYS[time.getDay()]} ${date(time)} ${time.getFullYear()}, ${clockWithMillis(at)} (${zone})`;
}

/** "412 ms", "1.4 s", "48 s", "2 min 08 s", "3 h 05 min", "4 d 2 h" */
export function duration(ms) {
  if (ms < 0) return "0 ms";
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${two(Math.floor((ms % MINUTE) / SECOND))} s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${two(Math.floor((ms % HOUR) / MINUTE))} min`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`;
}

/** A duration that counts: whole seconds, so that its width stays. */
export const counting = (ms) => (ms < MINUTE ? `${Math.max(0, Math.floor(ms / SECOND))} s` : duration(ms));

export function relative(at, now) {
  const ago = now - at;
  if (ago < 0) return ago > -DAY ? `in ${counting(-ago)}` : day(at, now);
  if (ago < 5 * SECOND) return "just now";
  if (ago < MINUTE) return `${Math.floor(ago / SECOND)} s ago`;
  if (ago < HOUR) return `${Math.floor(ago / MINUTE)} min ago`;
  if (ago < DAY) return `${Math.floor(ago / HOUR)} h ago`;
  return day(at, now);
}

function day(at, now) {
  const time = new Date(at);
  const year = time.getFullYear() === new Date(now).getFullYear() ? "" : ` ${time.getFullYear()}`;
  return `${date(time)}${year}, ${clock(at).slice(0, 5)}`;
}

// One clock for the page. It stands still while nobody looks.
const seconds = createStore(Date.now());
setInterval(() => document.hidden || seconds.set(Date.now()), SECOND);
document.addEventListener("visibilitychange", () => document.hidden || seconds.set(Date.now()));

/** A text that depends on the time; the component renders only when the text changes. */
export function useTimeText(text, dependencies) {
  const [, render] = useState("");
  useEffect(() => seconds.subscribe((now) => render(text(now))), dependencies);
  return text(Date.now());
}

/** The time, every second while `active`. */
export function useNow(active = true) {
  const [, render] = useState(0);
  useEffect(() => (active ? seconds.subscribe(render) : undefined), [active]);
  return Date.now();
}

export function Time({ at }) {
  const text = useTimeText((now) => relative(at, now), [at]);
  return html`<time datetime=${new Date(at).toISOString()} title=${exact(at)}>${text}</time>`;
}

/** How long something took, or has taken so far. */
export function Duration({ from, to }) {
  const text = useTimeText((now) => (to ? duration(to - from) : counting(now - from)), [from, to]);
  return html`<span class="number">${text}</span>`;
}
