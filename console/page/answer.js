// Answering an open callback: completing the task that waits, or failing it.

import { path, post, stack } from "./api.js";
import { ActionDialog, JsonField } from "./dialog.js";
import { readOnly } from "./split.js";
import { useStore } from "./store.js";
import { html, useState } from "./view.js";

/** `callback`: { id, state, run, answerable }. */
export function AnswerButtons({ callback, onAnswered }) {
  const about = useStore(stack);
  const [open, setOpen] = useState(null);
  const refused = callback.answerable ? readOnly(about) : "The history does not show this task's token";
  const button = (key, title) => html`<button class="small" disabled=${Boolean(refused)} title=${refused} onClick=${() => setOpen(key)}>${title}</button>`;
  const close = () => setOpen(null);
  return html`${button("complete", "Complete…")}${button("fail", "Fail…")}
    ${open === "complete" && html`<${Complete} callback=${callback} onClose=${close} onAnswered=${onAnswered} />`}
    ${open === "fail" && html`<${Fail} callback=${callback} onClose=${close} onAnswered=${onAnswered} />`}`;
}

function Complete({ callback, onClose, onAnswered }) {
  const [text, setText] = useState("{}");
  const [output, setOutput] = useState({});
  const run = async () => {
    await post(path("waiting", callback.id, "complete"), { output });
    onAnswered();
  };
  return html`<${ActionDialog} title=${`Complete ${callback.state}`} verb="Complete the task" run=${run} ready=${output !== undefined} onClose=${onClose} wide=${true}>
    <p>The task of <b>${callback.run.label}</b> ends with this result. What it was waiting for may answer later; that answer is then refused.</p>
    <${JsonField} label="Result" text=${text} rows=${10} onChange=${(next, value) => (setText(next), setOutput(value))} />
  <//>`;
}

function Fail({ callback, onClose, onAnswered }) {
  const [error, setError] = useState("");
  const [cause, setCause] = useState("");
  const run = async () => {
    await post(path("waiting", callback.id, "fail"), { error, cause });
    onAnswered();
  };
  return html`<${ActionDialog} title=${`Fail ${callback.state}`} verb="Fail the task" danger=${true} run=${run} ready=${Boolean(error.trim())} onClose=${onClose}>
    <p>The task of <b>${callback.run.label}</b> fails with this error. The state's Retry and Catch apply.</p>
    <label class="field"><span>Error</span><input class="code" maxlength="256" value=${error} placeholder="DeclinedError" onInput=${(event) => setError(event.currentTarget.value)} /></label>
    <label class="field"><span>Cause</span><textarea rows="3" maxlength="32768" value=${cause} onInput=${(event) => setCause(event.currentTarget.value)}></textarea></label>
  <//>`;
}
