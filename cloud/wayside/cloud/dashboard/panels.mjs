// The panels beside the map, as functions of the page's state.

import { h } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";
import { health } from "./equipment.mjs";
import { duration, named, t } from "./text.mjs";

export const html = htm.bind(h);

const STAGES = ["ingested", "fused", "decided", "selected", "written", "received", "called"];
const kindName = (kind) => named(`kind.${kind}`, kind.toUpperCase());
const severityName = (severity) => named(`severity.${severity}`, String(severity));

/** Top bar: site, numbers, connection, language, colours. */
export function Top({ page, act }) {
  const { view, connection, ageMs, sites, site, theme } = page;
  const people = view?.participants ?? [];
  const fresh = connection === "live";
  const warned = (view?.events ?? []).reduce((sum, event) => sum + event.warned, 0);
  const counts = [
    ["participants", people.length],
    ["connected", people.filter((p) => p.connected).length],
    ["hazards", view?.events.length ?? 0],
    ["warned", warned],
  ];
  return html`
    <div class="brand"><img src="/dashboard/favicon.svg" alt="" width="28" height="28" /><strong>Wayside</strong></div>
    <label class="site">
      <span class="hidden">${t("site")}</span>
      <select value=${site ?? ""} onChange=${(event) => act.chooseSite(event.target.value)} disabled=${!sites.length}>
        ${sites.length ? sites.map((s) => html`<option value=${s.site}>${s.name ?? s.site}</option>`) : html`<option>${t("site.none")}</option>`}
      </select>
    </label>
    <dl class="counts ${fresh ? "" : "past"}">
      ${counts.map(([name, n]) => html`<div class=${name === "hazards" && n ? "alert" : ""}><dd>${view ? n : "–"}</dd><dt>${t(`count.${name}`)}</dt></div>`)}
    </dl>
    <div class="pill" data-state=${connection}>
      <i></i><span>${t(`state.${connection}`)}</span>
      ${ageMs !== null && html`<time>${duration(ageMs / 1000)}</time>`}
    </div>
    <button class="tool" type="button" lang=${document.documentElement.lang === "en" ? "zh-CN" : "en"} title=${t("language.switch")} onClick=${act.switchLanguage}>${t("language.other")}</button>
    <button class="tool round" type="button" aria-label=${t(theme === "dark" ? "theme.light" : "theme.dark")} title=${t(theme === "dark" ? "theme.light" : "theme.dark")} onClick=${act.switchTheme}>${theme === "dark" ? "☀" : "☾"}</button>
  `;
}

/** What must be said over the map: that its data is not of now. */
export function Notice({ page }) {
  const { connection, ageMs, mapFailed } = page;
  if (mapFailed) return html`<p data-state="offline">${t("map.failed")}</p>`;
  if (!["stale", "offline", "waiting"].includes(connection)) return null;
  const text = t(`notice.${connection}`, { age: duration((ageMs ?? 0) / 1000) });
  return html`<p data-state=${connection}>${text}</p>`;
}

/** Legend in the map's corner. */
export function Legend({ act }) {
  const entries = ["car", "large", "cyclist", "pedestrian", "connected", "signal", "rsu", "hazard"];
  const open = matchMedia("(min-width: 800px)").matches;
  return html`
    <details open=${open}>
      <summary>${t("legend")}</summary>
      <ul>${entries.map((name) => html`<li><i class="key key-${name}"></i>${t(`legend.${name}`)}</li>`)}</ul>
    </details>
    <button class="tool" type="button" onClick=${act.fit}>${t("map.fit")}</button>
  `;
}

/** Right side: hazards, equipment, recent events. */
export function Side({ page, act }) {
  return html`
    <section aria-labelledby="hazards-title">
      <h2 id="hazards-title">${t("hazards")}</h2>
      <${Hazards} page=${page} act=${act} />
    </section>
    <section aria-labelledby="equipment-title">
      <h2 id="equipment-title">${t("equipment")}</h2>
      <${Equipment} page=${page} />
    </section>
    <section aria-labelledby="recent-title">
      <h2 id="recent-title">${t("recent")}</h2>
      <${Recent} page=${page} />
    </section>
  `;
}

function Hazards({ page, act }) {
  const events = [...(page.view?.events ?? [])].sort(
    (a, b) => b.severity - a.severity || b.opened_utc_ns - a.opened_utc_ns,
  );
  if (!events.length) {
    return html`<p class="calm">${t(page.connection === "live" ? "hazards.none" : "hazards.unknown")}</p>`;
  }
  return html`<ul class="cards ${page.connection === "live" ? "" : "past"}">
    ${events.map((event) => html`<${Hazard} key=${event.event_id} event=${event} page=${page} act=${act} />`)}
  </ul>`;
}

function Hazard({ event, page, act }) {
  const stored = page.stored.get(event.event_id);
  const chosen = page.chosen === event.event_id;
  const age = page.edgeNowMs === null ? 0 : page.edgeNowMs / 1000 - event.opened_utc_ns / 1e9;
  const { distance_m: distance, time_to_conflict_s: conflict } = stored?.evidence ?? {};
  return html`
    <li class="card" data-severity=${event.severity} data-chosen=${chosen}>
      <button type="button" aria-expanded=${chosen} onClick=${() => act.choose(event.event_id)}>
        <span class="badge">${severityName(event.severity)}</span>
        <strong>${kindName(event.kind)}</strong>
        <time>${t("hazard.since", { age: duration(age) })}</time>
      </button>
      <p class="facts">
        <span class=${event.warned ? "" : "none"}>${event.warned ? t("hazard.warned", { n: event.warned }) : t("hazard.none_warned")}</span>
        ${Number.isFinite(distance) && html`<span>${t("hazard.distance", { n: Math.round(distance) })}</span>`}
        ${Number.isFinite(conflict) && html`<span>${t("hazard.conflict", { n: conflict.toFixed(1) })}</span>`}
      </p>
      <${Latency} latency=${event.latency_ms} full=${chosen} />
      ${chosen && html`<${Detail} event=${event} detail=${page.detail} />`}
    </li>
  `;
}

function Latency({ latency, full }) {
  const parts = STAGES.filter((stage) => Number.isFinite(latency[stage])).map((stage) => [stage, latency[stage]]);
  if (!parts.length) return html`<p class="latency none">${t("hazard.no_latency")}</p>`;
  const total = parts.reduce((sum, [, ms]) => sum + ms, 0);
  const words = parts.map(([stage, ms]) => `${t(`stage.${stage}`)} ${ms.toFixed(2)} ms`);
  return html`
    <div class="latency">
      <p><span>${t("hazard.latency")}</span><b>${total.toFixed(1)} ms</b></p>
      <div class="bar" role="img" aria-label=${words.join(", ")} title=${words.join("\n")}>
        ${parts.map(([stage, ms]) => html`<i data-stage=${stage} style=${{ flexGrow: Math.max(ms, total * 0.004) }}></i>`)}
      </div>
      ${full && html`<ul class="stages">${parts.map(([stage, ms]) => html`<li><i data-stage=${stage}></i>${t(`stage.${stage}`)}<b>${ms.toFixed(2)}</b></li>`)}</ul>`}
    </div>
  `;
}

function Detail({ event, detail }) {
  if (!detail || detail.event_id !== event.event_id) return html`<p class="detail">${t("hazard.loading")}</p>`;
  if (detail.missing) return html`<p class="detail">${t("hazard.not_stored")}</p>`;
  return html`
    <div class="detail">
      <h3>${t("hazard.details")}</h3>
      <dl class="values">
        ${detail.lane && html`<dt>${t("hazard.lane")}</dt><dd>${detail.lane}</dd>`}
        ${Object.entries(detail.evidence).map(([name, value]) => html`<dt>${name}</dt><dd>${plain(value)}</dd>`)}
        <dt>${t("hazard.trace")}</dt><dd><code>${detail.trace_id}</code></dd>
      </dl>
      ${detail.trace.length > 0 && html`
        <h3>${t("hazard.way")}</h3>
        <ol class="way">
          ${detail.trace.map((step) => html`<li><b>${step.name}</b> ${Object.entries(step.detail).map(([name, value]) => html`<span>${name} ${plain(value)}</span>`)}</li>`)}
        </ol>
      `}
    </div>
  `;
}

function plain(value) {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toPrecision(3);
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function Equipment({ page }) {
  const rsus = (page.view?.rsus ?? []).map((rsu) => ({
    id: rsu.device_id,
    what: named("device.rsu", "RSU"),
    vendor: rsu.vendor,
    state: rsu.state,
    heard: rsu.last_heard_s === null ? t("equipment.never") : t("equipment.heard", { age: duration(rsu.last_heard_s) }),
    traffic: t("equipment.traffic", rsu),
  }));
  const shown = new Set(rsus.map((rsu) => rsu.id));
  const others = page.devices.filter((device) => !shown.has(device.device_id)).map((device) => ({
    id: device.device_id,
    what: named(`device.${device.kind}`, t("device.unknown")),
    vendor: device.vendor,
    state: device.state,
    heard: "",
    traffic: "",
  }));
  const all = [...rsus, ...others];
  if (!all.length) return html`<p class="calm">${t("equipment.none")}</p>`;
  return html`<ul class="rows ${page.connection === "live" ? "" : "past"}">
    ${all.map((device) => html`
      <li key=${device.id} class=${device.heard ? "" : "slim"} data-health=${health(device.state)}>
        <i></i>
        <div><strong>${device.id}</strong><small>${[device.what, device.vendor].filter(Boolean).join(" · ")}</small></div>
        <div class="end"><b>${named(`device_state.${device.state}`, device.state)}</b><small>${device.heard}</small><small>${device.traffic}</small></div>
      </li>
    `)}
  </ul>`;
}

function Recent({ page }) {
  if (!page.recent.length) return html`<p class="calm">${t("recent.none")}</p>`;
  return html`<ul class="rows recent">
    ${page.recent.map((event) => {
      const lasted = event.closed_utc_ns === null ? null : (event.closed_utc_ns - event.opened_utc_ns) / 1e9;
      return html`
        <li key=${event.event_id} data-severity=${event.severity}>
          <i></i>
          <div><strong>${kindName(event.kind)}</strong><small>${new Date(event.opened_utc_ns / 1e6).toLocaleTimeString(document.documentElement.lang, { hour12: false })}</small></div>
          <div class="end"><b>${lasted === null ? t("recent.open") : t("recent.lasted", { age: duration(lasted) })}</b><small>${t("hazard.warned", { n: event.warned })}</small></div>
        </li>
      `;
    })}
  </ul>`;
}
