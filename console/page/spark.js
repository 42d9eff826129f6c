// The last hour in a strip: one column a minute, failures below the line.

import { html } from "./view.js";

const WIDTH = 120;
const UP = 16;
const DOWN = 6;

export function Spark({ minutes }) {
  const step = WIDTH / minutes.length;
  const most = Math.max(4, ...minutes.map(({ ok, bad }) => Math.max(ok, bad)));
  const column = (index, height, y) => `M${(index * step).toFixed(1)} ${y}h${(step - 0.5).toFixed(1)}v${height.toFixed(1)}h-${(step - 0.5).toFixed(1)}z`;
  const size = (count, room) => (count ? Math.max(2, (count / most) * room) : 0);
  const ok = minutes.map(({ ok }, index) => (ok ? column(index, -size(ok, UP), UP) : "")).join("");
  const bad = minutes.map(({ bad }, index) => (bad ? column(index, size(bad, DOWN), UP + 1) : "")).join("");
  const sum = (key) => minutes.reduce((total, minute) => total + minute[key], 0);
  return html`<svg
    class="spark"
    viewBox=${`0 0 ${WIDTH} ${UP + DOWN + 1}`}
    preserveAspectRatio="none"
    role="img"
    aria-label=${`Last hour: ${sum("ok")} succeeded, ${sum("bad")} failed`}
  >
    <path class="spark-line" d=${`M0 ${UP + 0.5}H${WIDTH}`} />
    <path class="spark-ok" d=${ok} />
    <path class="spark-bad" d=${bad} />
  </svg>`;
}
