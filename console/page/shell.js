// What is around every page: navigation, account, and whether what one sees is live.

import { connection, stack, summary } from "./api.js";
import { Dialog } from "./dialog.js";
import { currentKeys, useKeys } from "./keyboard.js";
import { pages } from "./pages.js";
import { address, go, useRoute } from "./router.js";
import { Empty, Failure, Guard, Loading } from "./states.js";
import { useStore } from "./store.js";
import { counting, useTimeText } from "./time.js";
import { html, useEffect, useRef, useState } from "./view.js";

export function Shell({ failed, retry }) {
  const { segments, query } = useRoute();
  const [name, ...rest] = segments;
  const page = pages.find(({ path }) => path === (name ?? pages[0].path));
  const about = useStore(stack);
  const [help, setHelp] = useState(false);
  const main = useRef(null);

  useKeys({
    "?": { help: "These keys", run: () => setHelp(true) },
    ...Object.fromEntries(
      pages.filter(({ nav }) => nav).map(({ path, nav }) => [`g ${nav.key}`, { help: nav.title, run: () => go(address([path])) }]),
    ),
  });
  useEffect(() => {
    if (name === undefined) go(address([pages[0].path]), { replace: true });
  }, [name]);

  return html`<div class="app">
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>Skip to content</a>
    <${Navigation} current=${page?.path} about=${about} />
    <div class="content">
      ${about && !about.local && html`<${Account} about=${about} />`}
      <${Stale} about=${about} />
      <main id="main" ref=${main} tabindex="-1">
        ${failed
          ? html`<${Failure} error=${failed} retry=${retry} what="the stack" />`
          : !about
            ? html`<${Loading} what="the stack" />`
            : page
              ? html`<${Guard} key=${`${page.path} ${rest.length > 0}`}><${LazyPage} page=${page} segments=${rest} query=${query} /><//>`
              : html`<${Empty} title="There is no such page"><p><a href=${address([pages[0].path])}>Go to the runs</a></p><//>`}
      </main>
    </div>
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}
  </div>`;
}

function LazyPage({ page, segments, query }) {
  const [state, setState] = useState({});
  useEffect(() => {
    page.load(segments).then(
      (module) => setTimeout(setState, 0, { Page: module.Page }), // a task of its own: what was evaluated may be much
      () => setState({ error: new Error("The page's code could not be loaded. Reload the page.") }),
    );
  }, []);
  if (state.error) return html`<${Failure} error=${state.error} what="this page" />`;
  return state.Page ? html`<${state.Page} segments=${segments} query=${query} />` : html`<${Loading} />`;
}

const short = (count) => (count >= 10_000 ? `${Math.round(count / 1000)}k` : count >= 1000 ? `${(count / 1000).toFixed(1)}k` : count);

function Navigation({ current, about }) {
  const counts = useStore(summary)?.counts;
  const nav = useRef(null);
  useEffect(() => {
    // On a narrow screen the pages are a strip that scrolls.
    const link = nav.current.querySelector("[aria-current=page]")?.getBoundingClientRect();
    const strip = nav.current.getBoundingClientRect();
    if (link) nav.current.scrollLeft += link.left + link.width / 2 - strip.left - strip.width / 2;
  }, [current, Boolean(counts)]);
  return html`<header class="side">
    <div class="brand">
      <p class="brand-name">Stepworks</p>
      <p class="brand-stack">${about ? `${about.name} · ${about.local ? "this machine" : about.region}` : " "}</p>
    </div>
    <nav aria-label="Pages" ref=${nav}>
      ${pages
        .filter(({ nav }) => nav)
        .map(({ path, nav }) => {
          const count = counts ? nav.count?.(counts) : undefined;
          return html`<a key=${path} href=${address([path])} aria-current=${path === current ? "page" : undefined}>
            ${nav.title}
            <span class=${`count ${nav.hot?.(counts ?? {}) ? "hot" : ""}`}>${count === undefined ? "" : short(count)}</span>
          </a>`;
        })}
    </nav>
    <${Live} />
  </header>`;
}

function Live() {
  const { connected, since, at } = useStore(connection);
  const text = useTimeText(
    (now) => {
      if (connected === null) return "Connecting…";
      if (!connected) return `Not connected for ${counting(now - since)}`;
      return now - at < 20_000 ? "Live · updated now" : `Live · updated ${counting(now - at)} ago`;
    },
    [connected, since, at],
  );
  const state = connected === null ? "notReached" : connected ? "succeeded" : "waiting";
  return html`<div class=${`live is-${state}`}><i aria-hidden="true"></i><span>${text}</span></div>`;
}

/** What one sees may be old: since when, and that the console keeps trying. */
function Stale({ about }) {
  const { connected, since, message, denied, server } = useStore(connection);
  const mounted = about?.endpoint && new URL(about.endpoint).origin === location.origin;
  const what = server && !mounted ? "The console's server stopped" : about?.local ? "The local AWS stopped" : "AWS stopped answering";
  const text = useTimeText((now) => (denied ? `What one sees is old: ${message}` : `${what} ${counting(now - since)} ago; reconnecting.`), [what, since, denied, message]);
  return html`<div role="status" class="stale-place">
    ${connected === false && html`<p class="note is-waiting" title=${message}>${text}</p>`}
  </div>`;
}

function Account({ about }) {
  return html`<p class=${`account ${about.writable ? "is-failed" : "is-running"}`} role="note">
    AWS account <b>${about.account}</b> · ${about.region} · ${about.name}
    <span>${about.writable ? "Writes are allowed" : "Read-only"}</span>
  </p>`;
}

function Help({ onClose }) {
  return html`<${Dialog} title="Keys" onClose=${onClose}>
    <dl class="keys dialog-body">
      ${currentKeys().map(
        ([key, help]) => html`<div key=${key}><dt>${key.split(" ").map((part) => html`<kbd>${part}</kbd> `)}</dt><dd>${help}</dd></div>`,
      )}
      <div><dt><kbd>Enter</kbd></dt><dd>Open what is focused</dd></div>
      <div><dt><kbd>Esc</kbd></dt><dd>Leave a field, close a dialog</dd></div>
    </dl>
  <//>`;
}

/** The page's title in the browser's tab. */
export function useTitle(...parts) {
  const title = [...parts, stack.get()?.name].filter(Boolean).join(" · ");
  useEffect(() => {
    document.title = title;
  }, [title]);
}
