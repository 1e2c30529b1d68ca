// Where the time goes: how busy each stage is, and how each stream does.

import { el } from "./page.js";

export function system(live, main) {
  const stages = el("div.meters");
  const table = el("table");
  const facts = el("p.hint");
  main.append(el("h1", {}, "System"),
    el("section.card", {}, el("h2", {}, "Stages"), stages, facts),
    el("section.card.wide", {}, el("h2", {}, "Streams"), table));
  const stop = live.listen({
    status(status) {
      stages.replaceChildren(...status.stages.map(({ name, busy }) => {
        const bar = el("span.meter", {}, el("i"));
        bar.firstChild.style.width = `${Math.min(100, Math.round(100 * busy))}%`;
        return el("div.row", {}, el("span", {}, name), bar, el("output", {}, `${Math.round(100 * busy)} %`));
      }));
      facts.textContent = `${status.bound_by} limits the speed. ${status.viewers} ${status.viewers === 1 ? "page looks" : "pages look"}.`;
      const cells = (kind, values) => el("tr", {}, values.map((value) => el(kind, {}, String(value))));
      const ms = (seconds) => (seconds === undefined ? "–" : `${Math.round(1000 * seconds)} ms`);
      table.replaceChildren(cells("th", ["stream", "state", "fps", "frames", "dropped", "gaps", "p50", "p95"]),
        ...status.streams.map((each) => cells("td", [each.name, each.state, each.fps, each.frames, each.dropped, each.session, ms(each.latency_s?.p50), ms(each.latency_s?.p95)])));
    },
  });
  return { close: stop };
}
