// One stream: its picture with layers, areas and lines to draw, thresholds, and its latest events.

import { attempt, el, path, request } from "./page.js";
import { Editor } from "./editor.js";
import { eventCards } from "./events.js";
import { LAYERS, Picture } from "./picture.js";
import { describe } from "./streams.js";

const KEYS = { b: "boxes", n: "names", t: "trails", z: "zones", m: "masks", p: "memory", h: "heat" };
const chosen = { ...LAYERS };

export function stream(live, main, name) {
  const canvas = el("canvas.big", { dataset: { stream: name }, tabIndex: 0 });
  const state = el("span.state");
  const facts = el("span.facts");
  const reason = el("p.reason", { hidden: true });
  const hint = el("p.hint", { role: "status" });
  const list = el("div.shapes");
  const recent = el("div.events.narrow");
  const frame = el("div.frame", {}, canvas, reason);
  let zones = { areas: {}, lines: {}, grounds: {} };
  let classes = [];
  let paused = false;

  const own = (shapes) => Object.entries(shapes).filter(([, shape]) => !shape.streams || shape.streams.includes(name));
  let current = { areas: [], lines: [], grounds: [] };
  const picture = new Picture(canvas, chosen, () => current);
  const editor = new Editor(picture, () => current, save, (text) => { hint.textContent = text; });

  function take(document) {
    if (!document) return;
    zones = document;
    current = { areas: own(zones.areas), lines: own(zones.lines), grounds: own(zones.grounds) };
    list.replaceChildren(...shapeRows());
    picture.draw();
  }

  async function save(kind, shapeName, shape) {
    const fresh = shapeName ?? newName(kind.slice(0, -1));
    const only = shapeName ? {} : { streams: [name] };
    if (kind === "grounds" && !shapeName) shape = { ...shape, metres: rectangle(5, 10) };
    take(await attempt(() => request("PUT", path("zones", kind, fresh), { ...only, ...shape })) ?? await load());
  }

  const load = () => attempt(() => request("GET", path("zones")));

  function newName(word) {
    for (let n = 1; ; n += 1) if (!taken(`${word} ${n}`)) return `${word} ${n}`;
  }

  const taken = (name) => name in zones.areas || name in zones.lines || name in zones.grounds;

  async function rename(kind, before, after) {
    if (!after || after === before) return;
    if (taken(after)) {
      take(zones);
      return;
    }
    const shape = zones[kind][before];
    if (await attempt(() => request("PUT", path("zones", kind, after), shape))) {
      take(await attempt(() => request("DELETE", path("zones", kind, before))));
    }
  }

  function shapeRows() {
    const rows = Object.entries(current).flatMap(([kind, shapes]) => shapes.map(([shapeName, shape]) =>
      el("div.row.shape", { dataset: { kind, name: shapeName } },
        el("span", { className: `mark ${kind}` }),
        el("input", { value: shapeName, maxLength: 60, "aria-label": "Name", onchange: (event) => rename(kind, shapeName, event.target.value.trim()) }),
        kind === "areas" ? number("stay, s", shape.dwell_s, (value) => save(kind, shapeName, { ...shape, dwell_s: value })) : null,
        kind === "areas" ? number("most", shape.capacity, (value) => save(kind, shapeName, { ...shape, capacity: value === null ? null : Math.round(value) })) : null,
        kind === "grounds" ? sides(shape, (metres) => save(kind, shapeName, { ...shape, metres })) : ofClasses(kind, shapeName, shape),
        el("button.quiet", { title: "Remove", "aria-label": `Remove ${shapeName}`, onclick: async () => take(await attempt(() => request("DELETE", path("zones", kind, shapeName)))) }, "✕"))));
    return rows.length ? rows : [el("p.hint", {}, "None yet. Drag their corners to change them.")];
  }

  // The classes that an area or a line counts; none chosen is all.
  function ofClasses(kind, shapeName, shape) {
    const chosenNow = new Set(shape.classes ?? []);
    const box = el("details.classes", {}, el("summary", { title: "Classes that count" }, shape.classes ? [...chosenNow].join(", ") : "all"),
      el("div", {}, classes.map((each) => el("label", {}, el("input", {
        type: "checkbox", checked: chosenNow.has(each), onchange: (event) => {
          if (event.target.checked) chosenNow.add(each);
          else chosenNow.delete(each);
          save(kind, shapeName, { ...shape, classes: chosenNow.size ? [...chosenNow] : null });
        },
      }), each))));
    return box;
  }

  const pause = el("button", { onclick: () => attempt(() => request("PATCH", path("streams", name), { paused: !paused })) }, "Pause");
  const remove = el("button.danger", {
    onclick: async () => {
      if (remove.dataset.sure) {
        await attempt(() => request("DELETE", path("streams", name)));
        location.hash = "#/";
      }
      remove.dataset.sure = "yes";
      remove.textContent = "Really remove?";
    },
  }, "Remove");

  const layers = el("div.layers", { role: "group", "aria-label": "Layers" }, Object.entries(KEYS).map(([key, layer]) =>
    el("label", { title: `Key ${key}` }, el("input", { type: "checkbox", checked: chosen[layer], dataset: { layer }, onchange: (event) => toggle(layer, event.target.checked) }), layer)));
  const head = el("div.row.title", {}, el("a.back", { href: "#/", title: "All streams (Esc)" }, "←"), el("h1", {}, name), state, facts);
  const side = el("aside", {},
    el("section.card", {}, el("h2", {}, "Areas, lines, ground"),
      el("div.row", {},
        el("button.main", { id: "draw-area", title: "Key a", onclick: () => editor.start("areas") }, "Draw area"),
        el("button.main", { id: "draw-line", title: "Key l", onclick: () => editor.start("lines") }, "Draw line"),
        el("button", { id: "draw-ground", title: "Four points on the ground, for speeds. Key g", onclick: () => editor.start("grounds") }, "Ground")),
      hint, list),
    el("section.card", {}, el("h2", {}, "Detection"), thresholds()),
    el("section.card", {}, el("h2", {}, "Latest events"), recent),
    el("section.row", {}, pause, remove));
  main.append(head, el("div.split", {}, el("div", {}, frame, layers), side));

  function toggle(layer, on) {
    chosen[layer] = on;
    layers.querySelector(`[data-layer=${layer}]`).checked = on;
    picture.draw();
  }

  const refresh = async () => {
    const found = await attempt(() => request("GET", `${path("events")}?limit=6&stream=${encodeURIComponent(name)}`));
    if (found) recent.replaceChildren(...eventCards(found));
  };

  const stop = live.listen({
    status(status) {
      const mine = status.streams.find((each) => each.name === name);
      reason.hidden = Boolean(mine);
      reason.textContent = "There is no such stream.";
      if (!mine) return;
      describe(mine, { element: frame, state, facts, reason });
      paused = mine.state === "paused";
      pause.textContent = paused ? "Continue" : "Pause";
    },
    picture: (drawn, bitmap) => picture.show(drawn, bitmap),
    events: (told) => { if (told.stream === name) setTimeout(refresh, 300); },
  });
  const wanted = () => Math.min(1920, Math.round(frame.clientWidth * (devicePixelRatio || 1)) || 960);
  live.watch({ [name]: { width: wanted(), fps: 15 } });
  attempt(() => request("GET", path("settings"))).then((settings) => {
    classes = settings?.known_classes.slice(0, 100) ?? [];
    return load();
  }).then(take);
  refresh();
  return {
    close() {
      stop();
      picture.close();
      live.watch({});
    },
    key(key) {
      if (editor.key(key)) return true;
      if (key in KEYS) toggle(KEYS[key], !chosen[KEYS[key]]);
      else if (key === "a") editor.start("areas");
      else if (key === "l") editor.start("lines");
      else if (key === "g") editor.start("grounds");
      else if (key === "Escape") location.hash = "#/";
      else return false;
      return true;
    },
  };
}

// Corners of a rectangle on the ground in metres, as they are clicked: far left, far right, near right, near left.
const rectangle = (width, length) => [[0, length], [width, length], [width, 0], [0, 0]];

function sides({ metres }, changed) {
  const [width, length] = [metres[1][0] - metres[0][0], metres[0][1] - metres[3][1]];
  const change = (w, l) => { if (w > 0 && l > 0) changed(rectangle(w, l)); };
  return [number("wide, m", width, (value) => change(value, length)), number("long, m", length, (value) => change(width, value))];
}

function number(label, value, changed) {
  return el("label.number", {}, label, el("input", {
    type: "number", min: 0, value: value ?? "", placeholder: "–",
    onchange: (event) => changed(event.target.value === "" ? null : Number(event.target.value)),
  }));
}

// The lowest score and the classes that are looked for; of all streams.
function thresholds() {
  const box = el("div");
  const change = (values) => attempt(() => request("PATCH", path("settings"), values)).then((settings) => settings && fill(settings));
  function fill(settings) {
    const shown = el("output", {}, settings.conf.toFixed(2));
    const wanted = new Set(settings.classes ?? settings.known_classes);
    box.replaceChildren(
      el("label.slider", {}, "Lowest score", el("input", {
        type: "range", min: 0.05, max: 0.95, step: 0.05, value: settings.conf, id: "conf",
        oninput: (event) => { shown.textContent = Number(event.target.value).toFixed(2); },
        onchange: (event) => change({ conf: Number(event.target.value) }),
      }), shown),
      el("div.layers", { role: "group", "aria-label": "Classes" }, settings.known_classes.slice(0, 30).map((known) =>
        el("label", {}, el("input", {
          type: "checkbox", checked: wanted.has(known), onchange: (event) => {
            if (event.target.checked) wanted.add(known);
            else wanted.delete(known);
            change({ classes: wanted.size === 0 || wanted.size === settings.known_classes.length ? null : [...wanted] });
          },
        }), known))),
      el("p.hint", {}, `For all streams, until the server stops. Model: ${settings.model}`));
  }
  attempt(() => request("GET", path("settings"))).then((settings) => settings && fill(settings));
  return box;
}
