// Start the page.

import { loadStack, startLive } from "./api.js";
import { startKeyboard } from "./keyboard.js";
import { startRouter } from "./router.js";
import { Shell } from "./shell.js";
import { html, render } from "./view.js";

const root = document.getElementById("app");
const draw = (failed) => render(html`<${Shell} failed=${failed} retry=${start} />`, root);

async function start() {
  draw(null);
  try {
    await loadStack();
  } catch (error) {
    draw(error);
    if (error.status === 0) setTimeout(start, 2000); // the server may be about to start
  }
}

startRouter();
startKeyboard();
root.replaceChildren();
start();
startLive();
