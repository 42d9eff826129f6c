// Dialogs: the browser's own, so that focus, Escape and the backdrop are right.

import { html, useEffect, useRef, useState } from "./view.js";

export function Dialog({ title, onClose, children, wide = false }) {
  const dialog = useRef(null);
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  return html`<dialog
    ref=${dialog}
    class=${wide ? "wide" : ""}
    aria-labelledby="dialog-title"
    onClose=${onClose}
    onClick=${(event) => event.target === dialog.current && dialog.current.close()}
  >
    <header><h2 id="dialog-title">${title}</h2>
      <button class="quiet" aria-label="Close" onClick=${() => dialog.current.close()}>✕</button>
    </header>
    ${children}
  </dialog>`;
}

/**
 * A dialog that does something: `run` is awaited, its error is shown, success closes.
 * `children` are the fields; `ready` false keeps the button off. With `keepOpen`, `run` decides what
 * follows its success.
 */
export function ActionDialog({ title, verb, danger = false, ready = true, run, onClose, children, wide, keepOpen = false }) {
  const [state, setState] = useState({ busy: false, error: null });
  const submit = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null });
    try {
      await run();
      if (!keepOpen) onClose();
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose} wide=${wide}>
    <form onSubmit=${submit}>
      <div class="dialog-body">${children}</div>
      ${state.error && html`<p class="note is-failed" role="alert">${state.error.message}</p>`}
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button class=${danger ? "danger" : "primary"} disabled=${!ready || state.busy}>${state.busy ? "Working…" : verb}</button>
      </footer>
    </form>
  <//>`;
}

/** A text area for JSON that says where it is wrong. `onChange(text, value | undefined)`. */
export function JsonField({ label, text, onChange, rows = 16 }) {
  const [error, setError] = useState(null);
  const change = (event) => {
    const next = event.currentTarget.value;
    try {
      const value = JSON.parse(next);
      setError(null);
      onChange(next, value);
    } catch (problem) {
      setError(problem.message);
      onChange(next, undefined);
    }
  };
  return html`<label class="field">
    <span>${label}</span>
    <textarea class="code" rows=${rows} spellcheck=${false} value=${text} onInput=${change} aria-invalid=${Boolean(error)}></textarea>
    <span class="field-error" role="status">${error ? `Not valid JSON: ${error}` : ""}</span>
  </label>`;
}

export function CopyButton({ text, children = "Copy" }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
    setDone(true);
    setTimeout(setDone, 1500, false);
  };
  return html`<button type="button" class="small" onClick=${copy}>
    <span aria-live="polite">${done ? "Copied" : children}</span>
  </button>`;
}
