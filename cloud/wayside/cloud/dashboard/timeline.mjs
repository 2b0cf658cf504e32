// The way of one warning, drawn on the time it took: a row a step, a bar since the step before.

import { html, moment, plain, stageName, STAGES } from "./view.mjs";
import { named, t } from "./text.mjs";

const WIDE = 1000;

/** Milliseconds as text, fine where it is short. */
export function milliseconds(ms) {
  if (!Number.isFinite(ms)) return "–";
  return ms < 100 ? `${ms.toFixed(2)} ms` : `${Math.round(ms)} ms`;
}

/** Rows of steps: when each was complete after the first, and how long after the one before it. */
export function rowsOf(steps) {
  const ordered = [...steps].sort((a, b) => a.at_utc_ns - b.at_utc_ns);
  const first = ordered[0]?.at_utc_ns ?? 0;
  let before = first;
  return ordered.map((step) => {
    const row = { step, atMs: (step.at_utc_ns - first) / 1e6, tookMs: (step.at_utc_ns - before) / 1e6 };
    before = step.at_utc_ns;
    return row;
  });
}

// Steps of later vehicles may lie minutes after the first: beyond a second the scale is by rank, said so.
function scaleOf(rows) {
  const span = rows.at(-1)?.atMs ?? 0;
  if (span <= 1000) return { linear: true, at: (row) => (span ? row.atMs / span : 0) };
  const place = new Map(rows.map((row, n) => [row, rows.length > 1 ? n / (rows.length - 1) : 0]));
  return { linear: false, at: (row) => place.get(row) };
}

/** The steps of a trace. */
export function Timeline({ steps }) {
  if (!steps.length) return html`<p class="calm">${t("trace.none")}</p>`;
  const rows = rowsOf(steps);
  const scale = scaleOf(rows);
  return html`
    <div class="timeline">
      <p class="soft">${t("trace.from", { time: moment(rows[0].step.at_utc_ns) })}${scale.linear ? "" : ` · ${t("trace.by_rank")}`}</p>
      <ol>
        ${rows.map((row, n) => {
          const [from, to] = [n ? scale.at(rows[n - 1]) : 0, scale.at(row)];
          return html`
            <li data-step=${row.step.name}>
              <div class="head"><b>${named(`step.${row.step.name}`, row.step.name)}</b><span>+${milliseconds(row.atMs)}</span></div>
              <svg viewBox="0 0 ${WIDE} 14" preserveAspectRatio="none" aria-hidden="true">
                <line x1="0" y1="7" x2=${WIDE} y2="7" />
                <rect x=${from * (WIDE - 8)} y="3" width=${Math.max(8, (to - from) * (WIDE - 8) + 8)} height="8" rx="3" />
              </svg>
              <dl>${Object.entries(row.step.detail).map(([name, value]) => html`<div><dt>${name}</dt><dd>${plain(value)}</dd></div>`)}</dl>
            </li>`;
        })}
      </ol>
    </div>`;
}

/** The stages of the first delivered warning, each where it lies in the whole. */
export function Stages({ latency }) {
  const parts = STAGES.filter((stage) => Number.isFinite(latency[stage])).map((stage) => [stage, latency[stage]]);
  if (!parts.length) return html`<p class="calm">${t("hazard.no_latency")}</p>`;
  const total = parts.reduce((sum, [, ms]) => sum + ms, 0) || 1;
  let before = 0;
  return html`
    <table class="waterfall">
      <thead class="hidden"><tr><th>${t("trace.stage")}</th><th></th><th>ms</th></tr></thead>
      <tbody>
        ${parts.map(([stage, ms]) => {
          const x = (before / total) * WIDE;
          before += ms;
          return html`<tr>
            <th>${stageName(stage)}</th>
            <td><svg viewBox="0 0 ${WIDE} 12" preserveAspectRatio="none" aria-hidden="true"><rect class="stage" data-stage=${stage} x=${Math.min(x, WIDE - 4)} y="1" width=${Math.max(4, (ms / total) * WIDE)} height="10" rx="3" /></svg></td>
            <td class="number">${milliseconds(ms)}</td>
          </tr>`;
        })}
        <tr class="total"><th>${t("hazard.latency")}</th><td></td><td class="number">${milliseconds(total)}</td></tr>
      </tbody>
    </table>`;
}
