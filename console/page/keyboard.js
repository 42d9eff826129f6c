// Keys for the whole page: single letters, and "g" followed by a letter. Never while one types.

import { useLayoutEffect, useRef } from "./view.js";

const layers = []; // the last one registered is asked first
let prefix = null;
let prefixTimer = null;

const typing = (element) => element.closest?.("input, textarea, select, [contenteditable]");

function handle(event) {
  if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return; // it has its own keys
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = prefix ? `${prefix} ${event.key}` : event.key;
  clearTimeout(prefixTimer);
  prefix = null;
  for (const layer of layers) {
    const entry = layer.current[key];
    if (entry) {
      event.preventDefault();
      entry.run(event);
      return;
    }
  }
  if (event.key === "g") {
    prefix = "g";
    prefixTimer = setTimeout(() => (prefix = null), 1500);
  }
}

export const startKeyboard = () => document.addEventListener("keydown", handle);

/** Keys while the component is there: { j: { help: "Next run", run } }. */
export function useKeys(keys) {
  const layer = useRef(keys);
  layer.current = keys;
  useLayoutEffect(() => { // before the page is seen
    layers.unshift(layer);
    return () => layers.splice(layers.indexOf(layer), 1);
  }, []);
}

/** All keys that do something now, for the help: [[key, help]…]. */
export function currentKeys() {
  const found = new Map();
  for (const layer of layers) {
    for (const [key, { help }] of Object.entries(layer.current)) {
      if (help && !found.has(key)) found.set(key, help);
    }
  }
  return [...found];
}

/** What comes so many places after another in a list, or its first: for j and k. */
export const neighbour = (list, at, by) => list[at < 0 ? 0 : Math.max(0, Math.min(list.length - 1, at + by))];
