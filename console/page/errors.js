// An error and its cause. A Lambda function's cause is JSON: message, type and stack trace.

import { Icon } from "./icons.js";
import { html } from "./view.js";

/** { message, trace }: the sentence for people, and what is behind it if there is more. */
export function readCause(cause) {
  if (!cause) return { message: "", trace: "" };
  try {
    const { errorMessage, stackTrace } = JSON.parse(cause);
    if (typeof errorMessage === "string") {
      return { message: errorMessage, trace: Array.isArray(stackTrace) ? stackTrace.join("").trim() : "" };
    }
  } catch {
    // Not JSON: a sentence.
  }
  return { message: cause, trace: "" };
}

export function ErrorText({ error, cause }) {
  const { message, trace } = readCause(cause);
  return html`<span class="error-text">
    <b>${error}</b>${message && `: ${message}`}
    ${trace && html`<details><summary>Stack trace</summary><pre>${trace}</pre></details>`}
  </span>`;
}

export const ErrorNote = ({ error, cause, status = "failed" }) =>
  html`<div class=${`note run-error is-${status}`}><${Icon} shape=${status} /><${ErrorText} error=${error} cause=${cause} /></div>`;
