// Where the time goes: how busy each stage is, and how each stream does.

import { el } from "./page.js";

export function system(live, main) {
  const stages = el("div.meters");
  const table = el("table");
  const facts = el("p.hint");
  const machines = el("table");
  const cluster = el("section.card.wide", { hidden: true }, el("h2", {}, "Machines"), machines);
  main.append(el("h1", {}, "System"),
    el("section.card", {}, el("h2", {}, "Stages"), stages, facts),
    el("section.card.wide", {}, el("h2", {}, "Streams"), table), cluster);
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
      const of = status.machines ? ["machine"] : [];
      table.replaceChildren(cells("th", ["stream", "state", "fps", "frames", "dropped", "gaps", "p50", "p95", ...of]),
        ...status.streams.map((each) => cells("td", [each.name, each.state, each.fps, each.frames, each.dropped, each.session, ms(each.latency_s?.p50), ms(each.latency_s?.p95), ...of.map(() => each.node ?? "–")])));
      cluster.hidden = !status.machines;
      machines.replaceChildren(cells("th", ["machine", "state", "processors", "cameras", "p95", "dropped", "labels"]),
        ...(status.machines ?? []).map((each) => cells("td", [each.name, each.problem ?? each.state, each.cpus, each.cameras, ms(each.p95_s ?? undefined), `${Math.round(100 * each.dropped)} %`, each.labels.join(", ")])));
    },
  });
  return { close: stop };
}
