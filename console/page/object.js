// An object in S3: what it is, and the beginning of a text. All of it is shown as text.

import { useData } from "./api.js";
import { CopyButton } from "./dialog.js";
import { JsonView } from "./json-view.js";
import { fileSize, grouped } from "./numbers.js";
import { StoredPage } from "./stored-page.js";
import { Empty } from "./states.js";
import { exact, Time } from "./time.js";
import { html } from "./view.js";

export function Page({ query }) {
  const { bucket = "", object = "", version } = query;
  const { data, error, reload } = useData("object", { bucket, object, version });
  const name = object.split("/").filter(Boolean).at(-1) ?? object;
  return html`<${StoredPage} title=${name} kind="bucket" store=${bucket} storeTitle=${data?.title} what="this object" data=${data} error=${error} reload=${reload}>
    ${() => html`<${Facts} data=${data} /><${Content} content=${data.content} size=${data.size} />`}
  <//>`;
}

function Facts({ data }) {
  const uri = `s3://${data.bucket}/${data.name}`;
  const metadata = Object.entries(data.metadata);
  return html`<section class="card" aria-label="The object">
    <dl class="facts">
      <dt>Object</dt><dd><code>${uri}</code> <${CopyButton} text=${uri} /></dd>
      <dt>Size</dt><dd class="number">${fileSize(data.size)}${data.size >= 1024 && html` <span class="muted">(${grouped(data.size)} bytes)</span>`}</dd>
      <dt>Type</dt><dd>${data.type ?? html`<span class="muted">not set</span>`}${data.encoding && `, ${data.encoding}`}</dd>
      <dt>Modified</dt><dd><${Time} at=${data.modified} /> <span class="muted number">${exact(data.modified)}</span></dd>
      ${data.version && html`<dt>Version</dt><dd><code>${data.version}</code></dd>`}
      ${data.storageClass && html`<dt>Storage class</dt><dd>${data.storageClass}</dd>`}
      ${metadata.map(([name, value]) => html`<dt key=${`t ${name}`}>${name}</dt><dd key=${`d ${name}`}>${value}</dd>`)}
    </dl>
  </section>`;
}

const WITHOUT_TEXT = {
  empty: ["The object is empty", ""],
  image: ["It is an image", "Images are not shown here."],
  binary: ["It is not text", "Binary data is not shown here."],
};

function Content({ content, size }) {
  const { form, bytes, text, value } = content;
  const [title, reason] = WITHOUT_TEXT[form] ?? [];
  const cut = form === "text" && bytes < size;
  return html`<section class="card" aria-label="Content">
    <header>
      <h2>Content</h2>
      ${cut && html`<span class="number">The first ${fileSize(bytes)} of ${fileSize(size)}</span>`}
      ${form === "text" && html`<div class="right tools"><${CopyButton} text=${text} /></div>`}
    </header>
    ${title && html`<${Empty} title=${title}>${reason && html`<p>${reason}</p>`}<//>`}
    ${form === "json" && html`<${JsonView} value=${value} label="Content" />`}
    ${form === "text" && html`<pre class="text" tabindex="0" aria-label="Text of the object">${text}</pre>`}
  </section>`;
}
