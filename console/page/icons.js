// Status has a shape as well as a colour.

import { html } from "./view.js";

// Drawn in a square of 14.
export const SHAPES = {
  succeeded: "M2.5 7.5l3 3 6-7",
  failed: "M3 3l8 8M11 3l-8 8",
  running: "M4.2 2.4v9.2l7.2-4.6z",
  waiting: "M3 1.5h8M3 12.5h8M4 1.5v1.9L7 7l3-3.6V1.5M4 12.5v-1.9L7 7l3 3.6v1.9",
  caught: "M5.2 2.2L2 5.4l3.2 3.2M2.4 5.4h5.9a3.3 3.3 0 0 1 0 6.6H6",
  cancelled: "M2.5 7h9",
  unanswered: "M4.4 4.6a2.6 2.6 0 1 1 3.7 2.7C7.3 7.7 7 8.2 7 9M7 11.8h.01",
  notReached: "M4 7h.01M7 7h.01M10 7h.01",
};

const WORDS = {
  succeeded: "Succeeded",
  failed: "Failed",
  running: "Running",
  waiting: "Waiting",
  caught: "Caught",
  cancelled: "Cancelled",
  unanswered: "Not answered",
  notReached: "Not reached",
};

const RUN_STATUS = {
  RUNNING: ["running", "Running"],
  SUCCEEDED: ["succeeded", "Succeeded"],
  FAILED: ["failed", "Failed"],
  TIMED_OUT: ["failed", "Timed out"],
  ABORTED: ["cancelled", "Stopped"],
  PENDING_REDRIVE: ["waiting", "Waits for redrive"],
};

/** A state's or a run's status: { status: one of the shapes, word }. */
export function statusOf(subject) {
  if (typeof subject === "string") {
    const [status, word] = RUN_STATUS[subject] ?? [subject, WORDS[subject] ?? subject];
    return { status, word };
  }
  if (subject.status === "RUNNING" && subject.waiting) return { status: "waiting", word: "Waiting" };
  return statusOf(subject.status);
}

export function Icon({ shape, size = 14 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 14 14" aria-hidden="true">
    <path d=${SHAPES[shape] ?? SHAPES.notReached} />
  </svg>`;
}

/** The shape alone, named for a screen reader and on hover. */
export function StatusIcon({ of }) {
  const { status, word } = statusOf(of);
  return html`<span class=${`status is-${status}`} role="img" aria-label=${word} title=${word}>
    <${Icon} shape=${status} />
  </span>`;
}

/** Shape and words on the status's tint. */
export function Pill({ of, children }) {
  const { status, word } = statusOf(of);
  return html`<span class=${`pill is-${status}`}><${Icon} shape=${status} />${children ?? word}</span>`;
}
