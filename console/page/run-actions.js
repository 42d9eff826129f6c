// What one can do with a run: stop, run again, redrive, copy as a test.

import { get, path, post, stack } from "./api.js";
import { ActionDialog, CopyButton, Dialog, JsonField } from "./dialog.js";
import { address, go } from "./router.js";
import { Failure, Loading } from "./states.js";
import { useStore } from "./store.js";
import { html, useEffect, useState } from "./view.js";

export function RunActions({ data, onChange }) {
  const { run, canStop, canRedrive } = data;
  const [open, setOpen] = useState(null);
  const writable = useStore(stack)?.writable;
  const refused = writable ? undefined : "Read-only: start the console with --allow-writes";
  const close = () => setOpen(null);
  const button = (key, title, help) =>
    html`<button disabled=${!writable} title=${refused ?? help} onClick=${() => setOpen(key)}>${title}</button>`;
  return html`<div class="actions">
    ${canStop && button("stop", "Stop…", "Stop the execution")}
    ${canRedrive && button("redrive", "Redrive…", "Continue from the failed state")}
    ${button("rerun", "Re-run…", "Start again, with the same input or another")}
    <button title="A pytest case of this run" onClick=${() => setOpen("test")}>Copy as test…</button>
    ${open === "stop" && html`<${Stop} run=${run} onClose=${close} onChange=${onChange} />`}
    ${open === "redrive" && html`<${Redrive} run=${run} onClose=${close} onChange=${onChange} />`}
    ${open === "rerun" && html`<${Rerun} run=${run} onClose=${close} />`}
    ${open === "test" && html`<${AsTest} run=${run} onClose=${close} />`}
  </div>`;
}

function Stop({ run, onClose, onChange }) {
  const stop = async () => {
    await post(path("runs", run.id, "stop"));
    onChange();
  };
  return html`<${ActionDialog} title=${`Stop ${run.label}?`} verb="Stop the run" danger=${true} run=${stop} onClose=${onClose}>
    <p>The execution ends now, with the status ABORTED. What its functions have begun goes on until they return.</p>
  <//>`;
}

function Redrive({ run, onClose, onChange }) {
  const redrive = async () => {
    await post(path("runs", run.id, "redrive"));
    onChange();
  };
  return html`<${ActionDialog} title=${`Redrive ${run.label}?`} verb="Redrive" run=${redrive} onClose=${onClose}>
    <p>The same execution continues from ${run.failedState ? html`<b>${run.failedState}</b>` : "the state that failed"}, with the input that the state had.</p>
  <//>`;
}

function Rerun({ run, onClose }) {
  const [text, setText] = useState(JSON.stringify(run.input, null, 2));
  const [value, setValue] = useState(run.input);
  const start = async () => {
    const { id } = await post(path("runs", run.id, "rerun"), { input: value });
    go(address(["runs", id]));
  };
  return html`<${ActionDialog} title=${`Run ${run.title} again`} verb="Start the run" run=${start} ready=${value !== undefined} onClose=${onClose} wide=${true}>
    <${JsonField} label="Input" text=${text} onChange=${(next, parsed) => (setText(next), setValue(parsed))} />
  <//>`;
}

function AsTest({ run, onClose }) {
  const [state, setState] = useState({});
  useEffect(() => {
    get(path("runs", run.id, "test")).then((test) => setState({ test }), (error) => setState({ error }));
  }, []);
  return html`<${Dialog} title="Copy as test" onClose=${onClose} wide=${true}>
    <div class="dialog-body">
      ${state.error
        ? html`<${Failure} error=${state.error} what="the test" />`
        : !state.test
          ? html`<${Loading} what="the test" />`
          : html`<p>A pytest case that starts this run with the same input and expects the same end. <${CopyButton} text=${state.test.code} /></p>
              <pre class="text test-code" tabindex="0">${state.test.code}</pre>`}
    </div>
  <//>`;
}
