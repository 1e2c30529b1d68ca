// What happened at areas and lines: filtered, the newest first, with the objects' pictures and clips; and a day by hours.

import { attempt, el, path, request } from "./page.js";

const KINDS = ["entered", "appeared", "left", "line", "dwell", "crowd"];
const PAGE = 60;
const DAY_S = 86400;

export function events(live, main) {
  const chosen = { stream: "", kind: "", class: "", zone: "" };
  let hour = null; // of the day that is shown; null: all of it
  const grid = el("div.events");
  const away = el("p.hint", { role: "status" });
  const more = el("button", { hidden: true, onclick: () => load(grid.lastElementChild?.dataset.id) }, "Earlier ones");
  const bars = el("div.bars", { role: "group" });
  const day = el("input", { type: "date", value: dateOf(new Date()), "aria-label": "Day", onchange: () => { hour = null; load(); } });
  const selects = Object.fromEntries([["stream", "all streams"], ["kind", "everything"], ["class", "all classes"], ["zone", "all areas and lines"]].map(([key, all]) =>
    [key, el("select", { "aria-label": key, dataset: { filter: key }, onchange: (event) => { chosen[key] = event.target.value; load(); } }, el("option", { value: "" }, all))]));
  const known = Object.fromEntries(Object.keys(selects).map((key) => [key, new Set()]));
  main.append(el("h1", {}, "Events"), el("div.row.filters", {}, day, ...Object.values(selects)), bars, away, grid, more);
  offer("kind", KINDS);

  function offer(key, names) {
    for (const name of names) {
      if (name === null || known[key].has(name)) continue;
      known[key].add(name);
      selects[key].append(el("option", {}, name));
    }
  }

  const midnight = () => new Date(`${day.value || dateOf(new Date())}T00:00:00`).getTime() / 1000;

  async function load(before) {
    const start = midnight() + 3600 * (hour ?? 0);
    const query = new URLSearchParams({ limit: PAGE, since: start, until: hour === null ? start + DAY_S : start + 3600, ...(before && { before }) });
    for (const [key, value] of Object.entries(chosen)) if (value) query.set(key, value);
    const found = await attempt(() => request("GET", `${path("events")}?${query}`));
    if (!found) return;
    offer("zone", found.map((event) => event.zone));
    if (before) grid.append(...eventCards(found));
    else grid.replaceChildren(...eventCards(found));
    more.hidden = found.length < PAGE;
    if (!grid.children.length) grid.append(el("p.empty", {}, "No events in this period. Draw an area or a line on a stream."));
    if (!before) drawDay();
  }

  async function drawDay() {
    const query = new URLSearchParams({ start: midnight(), hours: 24 });
    for (const [key, value] of Object.entries(chosen)) if (value) query.set(key, value);
    const counts = await attempt(() => request("GET", `${path("timeline")}?${query}`));
    if (!counts) return;
    const most = Math.max(1, ...counts);
    bars.setAttribute("aria-label", `Events of the day by hour: ${counts.join(", ")}`);
    bars.replaceChildren(...counts.map((count, each) => {
      const bar = el("button", {
        title: `${each}:00 to ${each + 1}:00: ${count}`, "aria-pressed": String(each === hour),
        onclick: () => { hour = each === hour ? null : each; load(); },
      }, el("i"), el("b", {}, each % 6 ? "" : String(each)));
      bar.firstChild.style.height = `${Math.round((100 * count) / most)}%`;
      return bar;
    }));
  }

  const stop = live.listen({
    status(status) {
      offer("stream", status.streams.map(({ name }) => name));
      const gone = status.away ?? []; // of the machines of a cluster
      const said = gone.length ? `Events of ${gone.join(", ")} are unavailable until ${gone.length === 1 ? "this machine is" : "these machines are"} back.` : "";
      if (away.textContent !== said) away.textContent = said;
    },
    events: () => { if (scrollY < 200) setTimeout(load, 400); },
  });
  attempt(() => request("GET", path("settings"))).then((settings) => settings && offer("class", settings.known_classes));
  attempt(() => request("GET", path("zones"))).then((zones) => zones && offer("zone", [...Object.keys(zones.areas), ...Object.keys(zones.lines)]));
  load();
  return { close: stop };
}

const dateOf = (time) => `${time.getFullYear()}-${String(time.getMonth() + 1).padStart(2, "0")}-${String(time.getDate()).padStart(2, "0")}`;

export function eventCards(found) {
  return found.map((event) => {
    const time = new Date(event.time * 1000);
    const what = { line: `crossed ${event.direction}`, crowd: `${event.count} inside`, dwell: `stays for ${Math.round(event.seconds)} s`, left: `left after ${Math.round(event.seconds ?? 0)} s` }[event.kind] ?? event.kind;
    const who = event.class === null ? "" : `${event.class}${event.track === null ? "" : ` ${event.track}`} `;
    const thumb = event.has_picture ? el("img", { src: path("events", event.id, "picture.jpg"), alt: "", loading: "lazy" }) : el("div.blank");
    const play = event.clip === null ? null : el("button.play", { "aria-label": "Play the clip", title: event.clip === "ready" ? "Play the clip" : "The clip is not complete yet", onclick: () => playClip(event) }, "▶");
    return el("article.event.card", { dataset: { id: event.id, kind: event.kind, clip: event.clip ?? "" } },
      el("div.thumb", {}, thumb, play),
      el("div", {}, el("strong", {}, `${who}${what}`), el("span", {}, `${event.zone} · ${event.stream}`),
        el("time", { dateTime: time.toISOString(), title: time.toLocaleString() }, time.toLocaleTimeString())));
  });
}

// Shows a clip over the page; one that is not complete yet is asked for again.
function playClip(event) {
  const video = el("video", { controls: true, autoplay: true, muted: true, playsInline: true });
  const said = el("p.hint", { role: "status" });
  const box = el("dialog.player", {}, video, said, el("button", { onclick: () => box.close() }, "Close"));
  let waiting = 0;
  const start = () => { video.src = path("events", event.id, "clip.mp4"); };
  video.addEventListener("error", () => {
    said.textContent = event.clip === "ready" ? "This browser does not play the clip, or it was removed." : "The clip is not complete yet.";
    if (event.clip !== "ready") waiting = setTimeout(start, 3000);
  });
  video.addEventListener("loadeddata", () => { said.textContent = ""; });
  box.addEventListener("close", () => { clearTimeout(waiting); video.removeAttribute("src"); box.remove(); });
  document.body.append(box);
  box.showModal();
  start();
}
