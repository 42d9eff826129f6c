import { html } from "./view.js";
export function Page({ segments }) {
  return html`<h1>${segments[0]}</h1>`;
}
