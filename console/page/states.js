// What a page shows when it has no data to show: each state says what is the case and what to do.

import { Component, html, useEffect, useState } from "./view.js";

/** Nothing is there. `children` say how to get some, or clear the filter. */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p>${children && html`<div>${children}</div>`}</div>`;
}

/** Shown only if loading takes long enough to notice. */
export function Loading({ what = "" }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(setLate, 200, true);
    return () => clearTimeout(timer);
  }, []);
  return html`<div class="empty" aria-busy="true">${late && html`<p>${["Loading", what].filter(Boolean).join(" ")}…</p>`}</div>`;
}

/** A part of a page in a task of its own, so that the browser can answer between two of them. */
export function Later({ children, place = null }) {
  const [ready, setReady] = useState(false);
  useEffect(() => {
    const timer = setTimeout(setReady, 0, true);
    return () => clearTimeout(timer);
  }, []);
  return ready ? children() : place;
}

/** A request failed: what happened, and what one can do about it. A missing permission is named. */
export function Failure({ error, retry, what = "this" }) {
  const title = { 403: `You have no permission to see ${what}`, 404: "Not found" }[error.status] ?? `Could not load ${what}`;
  return html`<${Empty} title=${title}>
    <p>${error.message}</p>
    ${error.action && html`<p>${error.action}</p>`}
    ${retry && html`<button onClick=${retry}>Try again</button>`}
  <//>`;
}

/** Around a page: if its code fails, the rest of the console stays. */
export class Guard extends Component {
  componentDidCatch(error) {
    console.error(error);
    this.setState({ error });
  }

  render({ children }, { error }) {
    if (!error) return children;
    return html`<${Empty} title="This page has failed">
      <p>${error.message}</p>
      <button onClick=${() => this.setState({ error: null })}>Try again</button>
    <//>`;
  }
}
