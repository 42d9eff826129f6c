// Links that the server gives: to a page of the console, or only a name.

import { clock, exact } from "./time.js";
import { html } from "./view.js";

export function Link({ link }) {
  const title = [link.label, link.at && exact(link.at)].filter(Boolean).join("\n");
  return link.href
    ? html`<a class="link-label" href=${link.href} title=${title}>${link.label}</a>`
    : html`<span class="link-label" title=${title}>${link.label}</span>`;
}

/** "1 mail, 2 rows": many of a kind are folded into one that opens. */
export function LinkList({ links, most = 4 }) {
  if (links.length <= most) {
    return links.map((link, index) => html`${index > 0 && ", "}<${Link} key=${index} link=${link} />`);
  }
  return html`${links.slice(0, most - 1).map((link, index) => html`${index > 0 && ", "}<${Link} key=${index} link=${link} />`)}
    <details class="more-links"><summary>and ${links.length - most + 1} more</summary>
      <ul>${links.slice(most - 1).map((link, index) => html`<li key=${index}><${Link} link=${link} />${link.at && html` <span class="muted number">${clock(link.at)}</span>`}</li>`)}</ul>
    </details>`;
}
