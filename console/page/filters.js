// Filters of a list, kept in the address.

import { setQuery } from "./router.js";
import { html, useEffect, useRef, useState } from "./view.js";

const PAUSE = 200; // ms without a key until a search begins

/** What is searched for, in the query's `text`. */
export function SearchField({ id, placeholder, label, value }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => setText(value), [value]);
  const type = (event) => {
    const typed = event.currentTarget.value;
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ text: typed.trim() }), PAUSE);
  };
  return html`<input id=${id} type="search" placeholder=${placeholder} aria-label=${label} value=${text} onInput=${type} />`;
}

/** One of some values, in the query's `name`. `options`: [[value, title]]; `any` stands for all of them. */
export function Choice({ name, label, any, options, value, clears = {} }) {
  return html`<select aria-label=${label} value=${value} onChange=${(event) => setQuery({ ...clears, [name]: event.currentTarget.value })}>
    <option value="">${any}</option>
    ${options.map(([key, title]) => html`<option key=${key} value=${key}>${title}</option>`)}
  </select>`;
}
