// The timeline's axis: time → 0…1, with long silences cut out. Pure.

const CUT_WIDTH = 0.11; // of the axis, for each silence
const CUT_MOST = 0.4; // of the axis, for all of them
const SILENCE = 2000; // ms: nothing shorter is cut
const FACTOR = 3; // a silence is cut if it is this much longer than all that happens

/** Rows' bars and marks, and the time now for what has no end → { toUnit, fromUnit, cuts, start, end }. */
export function buildScale({ start, end, rows }, now) {
  const last = end ?? now;
  const times = new Set([start, last]);
  for (const { bars, marks } of rows) {
    for (const bar of bars) times.add(bar.start).add(bar.end ?? last);
    for (const mark of marks) times.add(mark.at);
  }
  const points = [...times].sort((a, b) => a - b);
  const gaps = points.slice(1).map((to, index) => ({ from: points[index], to, length: to - points[index] }));

  const cut = new Set();
  let busy = 0;
  for (const gap of [...gaps].sort((a, b) => a.length - b.length)) {
    if (gap.length > SILENCE && gap.length > FACTOR * busy) cut.add(gap);
    else busy += gap.length;
  }
  if (busy === 0) cut.clear(); // there is nothing but one silence
  const cutWidth = cut.size ? Math.min(CUT_WIDTH, CUT_MOST / cut.size) : 0;
  const perMs = (1 - cutWidth * cut.size) / Math.max(1, gaps.reduce((sum, gap) => sum + (cut.has(gap) ? 0 : gap.length), 0));

  const pieces = [];
  let unit = 0;
  for (const gap of gaps) {
    const width = cut.has(gap) ? cutWidth : gap.length * perMs;
    const before = pieces.at(-1);
    if (before && !before.cut && !cut.has(gap)) {
      before.to = gap.to; // neighbours of one scale are one piece
      before.u1 += width;
    } else {
      pieces.push({ from: gap.from, to: gap.to, u0: unit, u1: unit + width, cut: cut.has(gap) });
    }
    unit += width;
  }
  if (!pieces.length) pieces.push({ from: start, to: start + 1, u0: 0, u1: 1, cut: false });

  const within = (value, low, high) => pieces.find((piece) => value <= piece[high]) ?? pieces.at(-1);
  return {
    start: points[0],
    end: points.at(-1),
    pieces,
    cuts: pieces.filter((piece) => piece.cut),
    toUnit(at) {
      const { from, to, u0, u1 } = within(at, "from", "to");
      return u0 + ((at - from) / Math.max(1, to - from)) * (u1 - u0);
    },
    fromUnit(value) {
      const { from, to, u0, u1 } = within(value, "u0", "u1");
      return from + ((value - u0) / Math.max(1e-9, u1 - u0)) * (to - from);
    },
  };
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1.8e6, 3.6e6, 7.2e6, 21.6e6, 86.4e6];

/** Round times in sight, at most about `count`: [{ unit, elapsed }], never in a cut. */
export function ticks(scale, [from, to], count) {
  const span = to - from;
  const found = [];
  for (const piece of scale.pieces) {
    const u0 = Math.max(from, piece.u0);
    const u1 = Math.min(to, piece.u1);
    if (piece.cut || u1 <= u0) continue;
    const msPerUnit = (piece.to - piece.from) / (piece.u1 - piece.u0);
    const wanted = (span / count) * msPerUnit;
    const step = STEPS.find((one) => one >= wanted) ?? STEPS.at(-1);
    const first = Math.ceil((scale.fromUnit(u0) - scale.start) / step) * step;
    const last = scale.fromUnit(u1) - scale.start;
    for (let elapsed = first; elapsed <= last; elapsed += step) {
      const unit = scale.toUnit(scale.start + elapsed);
      if (!found.length || unit - found.at(-1).unit > (span / count) * 0.7) found.push({ unit, elapsed, step });
    }
  }
  return found;
}

const WORST = ["failed", "caught", "running", "waiting", "cancelled", "succeeded"];

/** Bars too close to be told apart become one, of the worst status: a Map has thousands. */
export function thin(bars, scale, last, smallest) {
  if (bars.length < 200) return bars;
  const merged = [];
  for (const bar of [...bars].sort((a, b) => a.start - b.start)) {
    const before = merged.at(-1);
    const end = bar.end ?? last;
    if (before && before.kind === bar.kind && scale.toUnit(bar.start) - scale.toUnit(before.end ?? last) < smallest) {
      before.end = Math.max(before.end ?? last, end);
      before.count += 1;
      if (WORST.indexOf(bar.status) < WORST.indexOf(before.status)) before.status = bar.status;
    } else {
      merged.push({ ...bar, end, count: 1 });
    }
  }
  return merged;
}

const MOST_LANES = 6;

/** Bars that overlap go side by side, each in a lane: [lanes, [lane of each bar]]. Too many share one. */
export function lanes(bars, last) {
  const ends = [];
  const order = bars.map((_, index) => index).sort((a, b) => bars[a].start - bars[b].start);
  const found = new Array(bars.length).fill(0);
  for (const index of order) {
    const { start, end } = bars[index];
    let lane = ends.findIndex((free) => free <= start);
    if (lane < 0) lane = ends.length;
    ends[lane] = Math.max(end ?? last, start + 1);
    found[index] = lane;
  }
  return ends.length > MOST_LANES ? [1, found.fill(0)] : [Math.max(1, ends.length), found];
}
