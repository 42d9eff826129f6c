// The server's JSON API and its one live stream.

import { createStore } from "./store.js";
import { useCallback, useEffect, useRef, useState } from "./view.js";

/** The stack (`GET stack`), once it is known. */
export const stack = createStore(null);
/** Counts for the navigation (`summary`). */
export const summary = createStore(null);
/** Whether the console hears from AWS: { connected, since, message, at, server }. */
export const connection = createStore({ connected: null, since: Date.now(), message: null, at: null, server: false });

export class ApiError extends Error {
  constructor(status, message, action) {
    super(message);
    this.status = status;
    this.action = action; // what one can do, as a sentence
  }
}

const url = (path, query = {}) => {
  const address = new URL(`api/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, value);
  }
  return address;
};

async function request(path, query, options) {
  let response;
  try {
    response = await fetch(url(path, query), options);
    // 202: AWS takes longer than a page should. The server goes on reading meanwhile.
    for (let pause = 50; response.status === 202; pause = Math.min(pause * 2, 1000)) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      response = await fetch(url(path, query), options);
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const unknown = options.method === "POST" ? "It is not known whether this took effect: look before you repeat it." : undefined;
    throw new ApiError(0, "The console's server does not answer.", unknown);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok || body === null) {
    const { message, action } = body?.error ?? {};
    throw new ApiError(response.status, message ?? `The server answered ${response.status}.`, action);
  }
  return body;
}

export const get = (path, query, signal) =>
  request(path, query, { signal, headers: { Prefer: "respond-async" } }); // rather soon than complete

export const post = (path, body = {}) =>
  request(path, {}, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Console-Token": stack.get()?.token ?? "" },
    body: JSON.stringify(body),
  });

/** A path of the API from its parts: ids may hold slashes, colons and blanks. */
export const path = (...parts) => parts.map(encodeURIComponent).join("/");

/**
 * Fetch and keep: `data` stays while it is fetched again. `key` null fetches nothing.
 * A new path or query starts over; `reload()` fetches the same again.
 */
export function useData(key, query = {}) {
  const address = key === null ? null : url(key, query).href;
  const [state, setState] = useState({ address, data: null, error: null });
  const running = useRef(null);
  const again = useRef(false);

  const load = useCallback(() => {
    if (address === null) return;
    if (running.current?.address === address) {
      again.current = true; // one request at a time; the last one sees the latest
      return;
    }
    running.current?.abort.abort();
    const abort = new AbortController();
    running.current = { address, abort };
    const finish = (change) => {
      if (abort.signal.aborted) return;
      running.current = null;
      setState((before) => ({ ...(before.address === address ? before : { data: null }), address, error: null, ...change }));
      if (again.current) {
        again.current = false;
        load();
      }
    };
    get(key, query, abort.signal).then(
      (data) => finish({ data }),
      (error) => error.name !== "AbortError" && finish({ error }),
    );
  }, [address]);

  useEffect(() => {
    load();
    return () => {
      running.current?.abort.abort();
      running.current = null;
      again.current = false;
    };
  }, [load]);
  // What failed while AWS was away is fetched again when it is back, and what may have changed
  // before a new stream began: the server does not tell a stream about that.
  useEffect(
    () => connection.subscribe(({ connected }) => connected && load()),
    [load],
  );

  const current = state.address === address ? state : { data: null, error: null };
  return { data: current.data, error: current.error, reload: load };
}

// ---- the live stream ----------------------------------------------------------------------------

const listeners = Object.fromEntries(
  ["runs", "run", "events", "mails", "deadLetters", "metrics", "resync"].map((name) => [name, new Set()]),
);
let source = null;
let watched = null;
let retry = null;
let delay = 1000;

/** Call `listener` for each message of this name; `resync` when some may be missing. */
export function onLive(name, listener) {
  listeners[name].add(listener);
  return () => listeners[name].delete(listener);
}

const tell = (name, data) => {
  for (const listener of [...listeners[name]]) listener(data);
};

/** Ask for the changes of one run too, or of none (null). */
export function watchRun(id) {
  if (id === watched) return;
  watched = id;
  if (source) open();
}

function open() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource(url("live", { run: watched }));
  source.addEventListener("open", () => {
    delay = 1000;
    tell("resync");
  });
  source.addEventListener("error", () => {
    // The server went away, or refuses: an EventSource would give up after some answers.
    source?.close();
    const { connected, since } = connection.get();
    connection.set({
      connected: false,
      since: connected === false ? since : Date.now(),
      message: null,
      server: true, // it is this page's own server that is away
      at: Date.now(),
    });
    clearTimeout(retry);
    retry = setTimeout(open, delay);
    delay = Math.min(delay * 1.6, 10_000);
  });
  const on = (name, handle) =>
    source.addEventListener(name, (message) => handle(JSON.parse(message.data)));
  on("summary", (data) => {
    summary.set(data);
    connection.set({ ...connection.get(), at: Date.now() });
  });
  on("state", (data) => connection.set({ ...data, at: Date.now(), server: false }));
  on("runs", (data) => tell("runs", data.runs));
  on("run", (data) => tell("run", data));
  on("events", (data) => tell("events", data.events));
  on("mails", (data) => tell("mails", data));
  on("deadLetters", (data) => tell("deadLetters", data));
  on("metrics", (data) => tell("metrics", data));
  on("resync", () => {
    loadStack().catch(() => {}); // the next one may come
    tell("resync");
  });
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

/** Open the stream, and close it while nobody looks: a browser has six connections to a host. */
export function startLive() {
  if (!document.hidden) open();
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
}

export async function loadStack() {
  stack.set(await get("stack"));
}
