// Chooses the view by the address, and says whether the connection is there.

import { Live } from "./socket.js";
import { el } from "./page.js";
import { streams } from "./streams.js";
import { stream } from "./stream.js";
import { events } from "./events.js";
import { system } from "./system.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
const live = new Live();
let view = null;

live.listen({
  link(connected) {
    link.textContent = connected ? "connected" : "no connection";
    link.classList.toggle("lost", !connected);
  },
});

function show() {
  view?.close?.();
  const [page, ...rest] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  const views = { events, system, stream };
  main.replaceChildren();
  view = (views[page] ?? streams)(live, main, ...rest);
  for (const a of document.querySelectorAll("nav a")) {
    const own = a.getAttribute("href") === `#/${page === "stream" ? "" : page}`;
    if (own) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
}

addEventListener("hashchange", show);
addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (view?.key?.(event.key)) event.preventDefault();
});
if (!("createImageBitmap" in window)) main.append(el("p.empty", {}, "This browser is too old for live pictures."));
else show();
