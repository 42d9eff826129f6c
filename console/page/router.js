// Addresses: a path below the base for the page, a query for what is filtered and selected in it.

import { createStore, useStore } from "./store.js";

const base = new URL(document.baseURI).pathname;

function read() {
  const path = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : "";
  const segments = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { segments, query: Object.fromEntries(new URLSearchParams(location.search)) };
}

const store = createStore(read());

export const useRoute = () => useStore(store);
export const route = store.get;

const encode = (segment) => encodeURIComponent(segment).replaceAll("%3A", ":");

/** The address of a page: `address(["runs", id], { state })`. Empty values are left out. */
export function address(segments, query = {}) {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(set).toString();
  return base + segments.map(encode).join("/") + (search && `?${search}`);
}

export function go(href, { replace = false } = {}) {
  const here = location.pathname + location.search;
  if (href === here) return;
  if (replace) {
    history.replaceState(history.state, "", href);
  } else {
    history.replaceState({ scroll: window.scrollY }, ""); // to come back to
    history.pushState(null, "", href);
  }
  store.set(read());
}

/** Change parts of the query and keep the rest: `null` takes one out. */
export function setQuery(changes, { replace = true } = {}) {
  const { segments, query } = store.get();
  go(address(segments, { ...query, ...changes }), { replace });
}

/** The address of this page with parts of the query changed. */
export function withQuery(changes) {
  const { segments, query } = store.get();
  return address(segments, { ...query, ...changes });
}

/** Where the page was scrolled when it was left, for a page that is returned to. */
export const savedScroll = () => history.state?.scroll ?? 0;

export function startRouter() {
  history.scrollRestoration = "manual"; // the lists restore it once they have their rows
  window.addEventListener("popstate", () => store.set(read()));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const modified = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!link || modified || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !url.pathname.startsWith(base)) return;
    const below = url.pathname.slice(base.length);
    if (below.startsWith("api/") || url.hash) return;
    event.preventDefault();
    go(url.pathname + url.search);
  });
}
