// A dialog to send an event: from a sample, edited, checked against its schema.

import { path, post, useData } from "./api.js";
import { ActionDialog, JsonField } from "./dialog.js";
import { Failure, Loading } from "./states.js";
import { html, useEffect, useState } from "./view.js";

/** `given`: { id, source, type, bus, detail } of an event to send again, or empty. */
export function SendEvent({ given, onClose, onSent }) {
  const { data, error, reload } = useData("events/samples");
  const [event, setEvent] = useState(null);
  const [text, setText] = useState("");
  const [unchecked, setUnchecked] = useState(false);
  const samples = data?.samples ?? [];
  const show = ({ source, type, bus, detail }) => {
    setEvent({ source, type, bus, detail });
    setText(JSON.stringify(detail, null, 2));
  };
  useEffect(() => {
    if (!data || event) return;
    if (given.type) show({ ...given, bus: given.bus ?? known(given)?.bus ?? "default" });
    else if (samples.length) show({ ...samples[0], detail: samples[0].sample });
    else show({ source: "", type: "", bus: data.buses[0], detail: {} });
  }, [data]);
  const known = ({ source, type }) => samples.find((sample) => sample.source === source && sample.type === type);

  const run = async () => {
    const same = given.id && given.source === event.source && given.type === event.type && text === JSON.stringify(given.detail, null, 2);
    // An unchanged event is sent as the log has it: what is hidden here is not hidden there.
    const { id } = same ? await post(path("events", given.id, "send"), { bus: event.bus }) : await post("events", { ...event, unchecked });
    onSent(id);
  };
  const set = (name) => (change) => setEvent({ ...event, [name]: change.currentTarget.value });
  const sample = event && known(event);
  const ready = Boolean(event?.source.trim() && event.type.trim() && event.detail !== undefined);
  return html`<${ActionDialog} title=${given.type ? "Send the event again" : "Send an event"} verb="Send" run=${run} ready=${ready} onClose=${onClose} wide=${true}>
    ${error && !data
      ? html`<${Failure} error=${error} retry=${reload} what="the samples" />`
      : !event
        ? html`<${Loading} what="samples" />`
        : html`
            ${samples.length > 0 &&
            html`<label class="field"><span>Sample</span>
              <select value=${sample ? samples.indexOf(sample) : ""} onChange=${({ currentTarget }) => currentTarget.value !== "" && show({ ...samples[currentTarget.value], detail: samples[currentTarget.value].sample })}>
                <option value="">Another event</option>
                ${samples.map((one, index) => html`<option key=${index} value=${index}>${one.source} · ${one.type}</option>`)}
              </select></label>
            <p class="kind-description">${sample?.description ?? ""}</p>`}
            <div class="two-fields">
              <label class="field"><span>Bus</span><select value=${event.bus} onChange=${set("bus")}>${data.buses.map((bus) => html`<option key=${bus} value=${bus}>${bus}</option>`)}</select></label>
              <label class="field"><span>Source</span><input class="code" value=${event.source} onInput=${set("source")} /></label>
              <label class="field"><span>Type</span><input class="code" value=${event.type} onInput=${set("type")} /></label>
            </div>
            <${JsonField} label="Detail" text=${text} rows=${12} onChange=${(next, detail) => (setText(next), setEvent({ ...event, detail }))} />
            ${sample?.schema &&
            html`<label class="check"><input type="checkbox" checked=${!unchecked} onChange=${(change) => setUnchecked(!change.currentTarget.checked)} /> Check the detail against its schema before sending</label>`}
          `}
  <//>`;
}
