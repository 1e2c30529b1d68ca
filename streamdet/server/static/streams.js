// All streams as tiles: a picture a second, and how each of them is.

import { attempt, ago, el, path, request, STATES } from "./page.js";
import { LAYERS, Picture } from "./picture.js";

export function streams(live, main) {
  const grid = el("div.tiles");
  const tiles = new Map();
  main.append(el("h1", {}, "Streams"), grid, addForm());

  const stop = live.listen({
    status(status) {
      const names = status.streams.map((each) => each.name);
      for (const [name, tile] of tiles) {
        if (!names.includes(name)) {
          tile.picture.close();
          tile.element.remove();
          tiles.delete(name);
        }
      }
      for (const each of status.streams) {
        if (!tiles.has(each.name)) {
          tiles.set(each.name, makeTile(each.name));
          grid.append(tiles.get(each.name).element);
        }
        tiles.get(each.name).update(each);
      }
      const wants = Object.fromEntries(names.map((name) => [name, { width: 480, fps: 2 }]));
      if (JSON.stringify(wants) !== JSON.stringify(live.wants)) live.watch(wants);
    },
    picture(head, bitmap) {
      tiles.get(head.stream)?.picture.show(head, bitmap);
    },
  });
  return {
    close() {
      stop();
      live.watch({});
      for (const tile of tiles.values()) tile.picture.close();
    },
  };
}

function makeTile(name) {
  const canvas = el("canvas", { dataset: { stream: name } });
  const state = el("span.state");
  const facts = el("span.facts");
  const reason = el("p.reason", { hidden: true });
  const element = el("a.tile.card", { href: `#/stream/${encodeURIComponent(name)}` },
    el("div.frame", {}, canvas, reason), el("div.row", {}, el("strong", {}, name), state), facts);
  const picture = new Picture(canvas, { ...LAYERS, names: false, trails: false, zones: false });
  return { element, picture, update: (stream) => describe(stream, { element, state, facts, reason }) };
}

export function describe(stream, { element, state, facts, reason }) {
  element.dataset.state = stream.state;
  state.textContent = stream.state;
  state.dataset.state = stream.state;
  state.title = STATES[stream.state];
  const parts = [`${stream.fps} fps`, stream.objects === 1 ? "1 object" : `${stream.objects} objects`];
  if (stream.node) parts.unshift(stream.node);
  if (stream.latency_s) parts.push(`${Math.round(1000 * stream.latency_s.p50)} ms`);
  const since = ago(Date.now() / 1000 - stream.since);
  facts.textContent = stream.state === "live" ? parts.join(" · ") : `for ${since}`;
  reason.hidden = stream.state === "live" || stream.state === "ended";
  reason.textContent = stream.reason ?? STATES[stream.state];
}

function addForm() {
  const input = el("input", { id: "source", placeholder: "rtsp://user:password@host/path", autocomplete: "off", spellcheck: false });
  const form = el("form.add", {
    onsubmit: async (event) => {
      event.preventDefault();
      if (await attempt(() => request("POST", path("streams"), { source: input.value.trim() }))) input.value = "";
    },
  }, el("label", { for: "source" }, "Add a camera"), input, el("button", {}, "Add"));
  return form;
}
