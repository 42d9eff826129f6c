// Tabs as the ARIA pattern has them: arrow keys move between them.

import { html, useEffect, useRef } from "./view.js";

/** tabs: [[key, title]…]; `panel` is the id of the element that they change. */
export function Tabs({ tabs, current, onSelect, label, panel }) {
  const list = useRef(null);
  useEffect(() => {
    // Only sideways: scrollIntoView would move the page as well.
    const tab = list.current.querySelector("[aria-selected=true]");
    if (!tab) return;
    const { offsetLeft, offsetWidth } = tab;
    const { scrollLeft, clientWidth } = list.current;
    if (offsetLeft < scrollLeft || offsetLeft + offsetWidth > scrollLeft + clientWidth) list.current.scrollLeft = offsetLeft - 40;
  }, [current, tabs.length]);
  const keydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex(([key]) => key === current);
    const [next] = tabs[(at + step + tabs.length) % tabs.length];
    onSelect(next);
    list.current.querySelector(`[data-tab="${next}"]`).focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${keydown}>
    ${tabs.map(
      ([key, title]) =>
        html`<button
          key=${key}
          role="tab"
          data-tab=${key}
          aria-selected=${key === current}
          aria-controls=${panel}
          tabindex=${key === current ? 0 : -1}
          onClick=${() => onSelect(key)}
        >${title}</button>`,
    )}
  </div>`;
}
