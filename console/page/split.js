// A list, and beside it what is selected in it; on a narrow screen one of the two.

import { setQuery } from "./router.js";
import { useKeys } from "./keyboard.js";
import { html, useEffect, useRef } from "./view.js";

/** `name`: the part of the query that selects. `panel`: what is selected, or null. */
export function Split({ name, panel, children }) {
  return html`<div class=${`split ${panel ? "has-panel" : ""}`}>
    <div class="split-list">${children}</div>
    ${panel && html`<div class="split-panel"><${Escape} name=${name} />${panel}</div>`}
  </div>`;
}

function Escape({ name }) {
  useKeys({ Escape: { help: "Close what is selected", run: () => close(name) } });
  return null;
}

const close = (name) => setQuery({ [name]: null, tab: null, rule: null });

/** The frame of what is selected: a title, a button to close it, and what one can do with it. */
export function PanelFrame({ name, title, children, actions, status }) {
  const heading = useRef(null);
  useEffect(() => {
    // On a narrow screen the list is gone, and the focus with it.
    if (window.matchMedia("(max-width: 1000px)").matches) heading.current.focus();
  }, [title]);
  return html`<section class="card panel" aria-label=${title}>
    <header>
      ${status}
      <h2 ref=${heading} tabindex="-1">${title}</h2>
      <div class="right tools">
        ${actions}
        <button class="quiet small" aria-label="Close" title="Close" onClick=${() => close(name)}>✕</button>
      </div>
    </header>
    ${children}
  </section>`;
}

/** Why a button that changes something is off, or undefined. */
export const readOnly = (about) => (about?.writable ? undefined : "Read-only: start the console with --allow-writes");
