// A value that several parts of the page watch.

import { useEffect, useState } from "./view.js";

export function createStore(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The store's value, or what `select` takes of it: the component renders when that changes. */
export function useStore(store, select = (value) => value) {
  const [, render] = useState(null);
  const selected = select(store.get());
  useEffect(() => {
    const update = (value) => render(select(value));
    update(store.get()); // it may have changed between the rendering and this effect
    return store.subscribe(update);
  }, [store]);
  return selected;
}
