// What a page does not show, because the credentials do not allow it.

import { html } from "./view.js";

/** problems: [{ what, message, action }] */
export function Problems({ problems = [] }) {
  if (!problems.length) return null;
  return html`<div class="note is-waiting problems" role="note">
    <div>
      <p>Not everything could be read:</p>
      <ul>
        ${problems.map(({ what, message, action }) => html`<li key=${`${what} ${message}`}><b>${what}</b>: ${message} ${action}</li>`)}
      </ul>
    </div>
  </div>`;
}
