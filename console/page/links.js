// Links that the server gives: to a page of the console, or only a name.

import { clock, exact } from "./time.js";
import { html } from "./view.js";

const LONGEST = 38; // characters of an object's name: how it ends says more than its bucket

export function Link({ link }) {
  const { label, href, kind } = link;
  const title = [label, link.at && exact(link.at)].filter(Boolean).join("\n");
  const long = kind === "object" && label.length > LONGEST;
  const text = long ? `${label.slice(0, 12)}…${label.slice(13 - LONGEST)}` : label;
  return href
    ? html`<a class="link-label" href=${href} title=${title}>${text}</a>`
    : html`<span class="link-label" title=${title}>${text}</span>`;
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
