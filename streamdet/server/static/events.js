// What happened at areas and lines: filtered, the newest first, with the objects' pictures.

import { attempt, el, path, request } from "./page.js";

const KINDS = ["entered", "appeared", "left", "line", "dwell", "crowd"];
const PAGE = 60;

export function events(live, main) {
  const grid = el("div.events");
  const more = el("button", { hidden: true, onclick: () => load(grid.lastElementChild?.dataset.id) }, "Earlier ones");
  const stream = el("select", { "aria-label": "Stream", onchange: () => load() }, el("option", { value: "" }, "all streams"));
  const kind = el("select", { "aria-label": "Kind", onchange: () => load() }, el("option", { value: "" }, "everything"), KINDS.map((each) => el("option", {}, each)));
  const bars = el("div.bars", { role: "img" });
  main.append(el("h1", {}, "Events"), el("div.row.filters", {}, stream, kind), bars, grid, more);

  async function load(before) {
    const query = new URLSearchParams({ limit: PAGE, ...(stream.value && { stream: stream.value }), ...(kind.value && { kind: kind.value }), ...(before && { before }) });
    const found = await attempt(() => request("GET", `${path("events")}?${query}`));
    if (!found) return;
    if (before) grid.append(...eventCards(found));
    else grid.replaceChildren(...eventCards(found));
    more.hidden = found.length < PAGE;
    if (!grid.children.length) grid.append(el("p.empty", {}, "Nothing has happened yet. Draw an area or a line on a stream."));
    if (!before) drawDay();
  }

  async function drawDay() {
    const midnight = new Date().setHours(0, 0, 0, 0) / 1000;
    const query = new URLSearchParams({ start: midnight, hours: 24, ...(stream.value && { stream: stream.value }) });
    const counts = await attempt(() => request("GET", `${path("timeline")}?${query}`));
    if (!counts) return;
    const most = Math.max(1, ...counts);
    bars.setAttribute("aria-label", `Events of today by hour: ${counts.join(", ")}`);
    bars.replaceChildren(...counts.map((count, hour) => {
      const bar = el("span", { title: `${hour}:00 to ${hour + 1}:00: ${count}` }, el("i"), el("b", {}, hour % 6 ? "" : String(hour)));
      bar.firstChild.style.height = `${Math.round((100 * count) / most)}%`;
      return bar;
    }));
  }

  const known = new Set();
  const stop = live.listen({
    status(status) {
      for (const { name } of status.streams) {
        if (!known.has(name)) stream.append(el("option", {}, name));
        known.add(name);
      }
    },
    events: () => { if (scrollY < 200) setTimeout(load, 400); },
  });
  load();
  return { close: stop };
}

export function eventCards(found) {
  return found.map((event) => {
    const time = new Date(event.time * 1000);
    const what = { line: `crossed ${event.direction}`, crowd: `${event.count} inside`, dwell: `stays for ${Math.round(event.seconds)} s`, left: `left after ${Math.round(event.seconds ?? 0)} s` }[event.kind] ?? event.kind;
    const who = event.class === null ? "" : `${event.class}${event.track === null ? "" : ` ${event.track}`} `;
    return el("article.event.card", { dataset: { id: event.id, kind: event.kind } },
      event.has_picture ? el("img", { src: path("events", event.id, "picture.jpg"), alt: "", loading: "lazy" }) : el("div.blank"),
      el("div", {}, el("strong", {}, `${who}${what}`), el("span", {}, `${event.zone} · ${event.stream}`),
        el("time", { dateTime: time.toISOString(), title: time.toLocaleString() }, time.toLocaleTimeString())));
  });
}
