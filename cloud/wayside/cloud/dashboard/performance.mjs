// Drops and latency over time: what was refused and why, and how long warnings took.

import { get } from "./api.mjs";
import { Chart, MOST_LINES } from "./chart.mjs";
import { milliseconds } from "./timeline.mjs";
import { html, Nothing, stageName, STAGES } from "./view.mjs";
import { language, named, t } from "./text.mjs";

// Minutes.
const SPANS = ["15", "60", "360", "1440", "10080"];
const SPAN = "15";
const MEASURES = ["p50_ms", "p99_ms", "max_ms"];
const FLOOR = "timer_lateness";

export async function load({ site, filters }) {
  const minutes = filters.minutes ?? SPAN;
  const [series, stats] = await Promise.all([get("/api/series", { site, minutes, steps: 120 }), get("/api/stats")]);
  return series && { series, dropped: stats?.dropped ?? {} };
}

const sum = (values) => values.reduce((all, value) => all + (value ?? 0), 0);

/** Drops as rows, the most first: stage, reason, values, total. */
export function dropRows(dropped) {
  return Object.entries(dropped)
    .flatMap(([stage, reasons]) => Object.entries(reasons).map(([reason, values]) => ({ stage, reason, values, total: Array.isArray(values) ? sum(values) : values })))
    .sort((a, b) => b.total - a.total);
}

export function Performance({ data, route, act, theme }) {
  const minutes = route.filters.minutes ?? SPAN;
  return html`
    <h1>${t("page.performance")}</h1>
    <div class="chips" role="group" aria-label=${t("span")}>
      ${SPANS.map((name) => html`<button type="button" aria-pressed=${minutes === name} onClick=${() => act.filter({ minutes: name })}>${t(`span.${name}`)}</button>`)}
    </div>
    ${data ? html`<${Figures} data=${data} route=${route} act=${act} theme=${theme} />` : html`<${Nothing} loaded=${data} text="" />`}`;
}

function Figures({ data, route, act, theme }) {
  const { series } = data;
  const at = series.from_utc_ns.map((ns) => ns / 1e9);
  const common = { at, theme, language };
  const measure = MEASURES.includes(route.filters.measure) ? route.filters.measure : "p99_ms";
  const stages = [...STAGES, FLOOR].filter((stage) => series.latency[stage]);
  const drops = dropRows(series.dropped);
  const counts = Object.entries(series.counts).filter(([name, values]) => name !== "steps" && sum(values) > 0);
  return html`
    <section class="panel">
      <header><h2>${t("performance.latency")}</h2>
        <div class="chips small" role="group" aria-label=${t("performance.measure")}>${MEASURES.map((name) => html`<button type="button" aria-pressed=${measure === name} onClick=${() => act.filter({ measure: name })}>${t(`measure.${name}`)}</button>`)}</div>
      </header>
      ${stages.length ? html`
        <${Chart} ...${common} unit="ms" label=${t("performance.latency")} lines=${stages.map((stage) => ({ label: stageName(stage), values: series.latency[stage][measure] }))} />
        <p class="soft">${t("performance.latency_note")}</p>
        <div class="scroll"><table class="figures">
          <thead><tr><th>${t("trace.stage")}</th>${MEASURES.map((name) => html`<th>${t(`measure.${name}`)}</th>`)}</tr></thead>
          <tbody>${stages.map((stage) => html`<tr><th>${stageName(stage)}</th>${MEASURES.map((name) => html`<td class="number">${milliseconds(series.latency[stage][name].findLast((value) => value !== null) ?? NaN)}</td>`)}</tr>`)}</tbody>
        </table></div>` : html`<p class="calm">${t("performance.no_latency")}</p>`}
    </section>
    <section class="panel">
      <header><h2>${t("performance.drops")}</h2></header>
      ${drops.length ? html`
        <${Chart} ...${common} label=${t("performance.drops")} lines=${drops.slice(0, MOST_LINES).map((row) => ({ label: `${row.stage} · ${row.reason}`, values: row.values }))} />
        <${Drops} rows=${drops} />` : html`<p class="calm">${t("performance.no_drops")}</p>`}
    </section>
    <section class="panel">
      <header><h2>${t("performance.counts")}</h2></header>
      ${counts.length ? html`<${Chart} ...${common} label=${t("performance.counts")} lines=${counts.map(([name, values]) => ({ label: named(`counted.${name}`, name), values }))} />` : html`<p class="calm">${t("performance.no_counts")}</p>`}
    </section>
    <section class="panel">
      <header><h2>${t("performance.centre")}</h2></header>
      ${Object.keys(data.dropped).length ? html`<${Drops} rows=${dropRows(data.dropped)} />` : html`<p class="calm">${t("performance.no_drops")}</p>`}
    </section>`;
}

function Drops({ rows }) {
  return html`<div class="scroll"><table class="figures">
    <thead><tr><th>${t("trace.stage")}</th><th>${t("performance.reason")}</th><th>${t("performance.number")}</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr><th>${row.stage}</th><td>${row.reason}</td><td class="number">${row.total}</td></tr>`)}</tbody>
  </table></div>`;
}
