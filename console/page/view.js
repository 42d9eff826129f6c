// The view library in one import: `html` builds elements, and what it interpolates is always text.

import { Component, Fragment, h, render } from "../lib/preact.js";
import htm from "../lib/htm.js";

export { Component, Fragment, render };
export * from "../lib/hooks.js";
export const html = htm.bind(h);
