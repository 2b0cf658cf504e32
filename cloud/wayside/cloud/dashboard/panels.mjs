// What stands around the map, as functions of the page's state.

import { health } from "./equipment.mjs";
import { addressOf } from "./route.mjs";
import { Stages } from "./timeline.mjs";
import { html, kindName, moment, plain, severityName, stageName, STAGES } from "./view.mjs";
import { duration, named, t } from "./text.mjs";

// Steps shown beside the map; the page of the event has all.
const STEPS = 6;

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

/** Which pages there are; links, so that they can be opened beside one another. */
export function Pages({ page, pages, act }) {
  const plainClick = (event) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  return html`${pages.map((name) => html`
    <a href=${addressOf({ page: name, site: page.site, filters: {} })} aria-current=${page.route.page === name ? "page" : null}
      onClick=${(event) => { if (plainClick(event)) { event.preventDefault(); act.go(name); } }}>${t(`page.${name}`)}</a>`)}`;
}

/** What an operator must see on every page: that another edge reports as a site. */
export function Alarm({ page, act }) {
  const rivals = page.sites.filter((site) => site.refused > 0);
  return html`${rivals.map((site) => html`
    <p key=${site.site}><span>${t("alarm.rival", { site: site.site, n: site.refused, time: moment(site.refused_utc_ns) })}</span>
      <button class="tool" type="button" onClick=${() => act.release(site.site)}>${t("alarm.release")}</button></p>`)}`;
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
  const entries = ["car", "large", "cyclist", "pedestrian", "connected", "signal", "rsu", "sensor", "sign", "hazard", "jam"];
  const open = matchMedia("(min-width: 800px)").matches;
  return html`
    <details open=${open}>
      <summary>${t("legend")}</summary>
      <ul>${entries.map((name) => html`<li><i class="key key-${name}"></i>${t(`legend.${name}`)}</li>`)}</ul>
    </details>
    <button class="tool" type="button" onClick=${act.fit}>${t("map.fit")}</button>
  `;
}

/** Right side: hazards, intersections with their signals, equipment, recent events. */
export function Side({ page, act }) {
  return html`
    <section aria-labelledby="hazards-title">
      <h2 id="hazards-title">${t("hazards")}</h2>
      <${Hazards} page=${page} act=${act} />
    </section>
    <section aria-labelledby="intersections-title">
      <h2 id="intersections-title">${t("intersections")}</h2>
      <${Intersections} page=${page} act=${act} />
    </section>
    <section aria-labelledby="equipment-title">
      <h2 id="equipment-title">${t("equipment")}</h2>
      <${Equipment} page=${page} />
    </section>
    <section aria-labelledby="recent-title">
      <h2 id="recent-title">${t("recent")}</h2>
      <${Recent} page=${page} act=${act} />
    </section>
  `;
}

function Intersections({ page, act }) {
  const groups = new Map();
  for (const signal of page.view?.signals ?? []) {
    if (!groups.has(signal.intersection)) groups.set(signal.intersection, []);
    groups.get(signal.intersection).push(signal);
  }
  if (!groups.size) return html`<p class="calm">${t("intersections.none")}</p>`;
  const fresh = page.connection === "live";
  return html`<ul class="intersections ${fresh ? "" : "past"}">
    ${[...groups].map(([name, signals]) => html`
      <li key=${name}>
        <button type="button" onClick=${() => act.lookAt(name)} title=${t("intersections.look")}>${name}</button>
        <div>${signals.sort((a, b) => a.signal_group - b.signal_group).map((signal) => html`<${Group} key=${signal.signal_group} signal=${signal} fresh=${fresh} />`)}</div>
      </li>`)}
  </ul>`;
}

function Group({ signal, fresh }) {
  const state = named(`signal.${signal.state}`, signal.state);
  const seconds = signal.remaining_s === null || !fresh ? "" : String(Math.max(0, Math.ceil(signal.remaining_s)));
  return html`<span class="group" data-state=${signal.state} title=${t("signal", { n: signal.signal_group, state })}>
    <small>${signal.signal_group}</small><i>${named(`signal_letter.${signal.state}`, "?")}</i><b>${seconds}</b>
  </span>`;
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
      ${chosen && html`<${Detail} event=${event} page=${page} act=${act} />`}
    </li>
  `;
}

function Latency({ latency, full }) {
  const parts = STAGES.filter((stage) => Number.isFinite(latency[stage])).map((stage) => [stage, latency[stage]]);
  if (!parts.length) return html`<p class="latency none">${t("hazard.no_latency")}</p>`;
  const total = parts.reduce((sum, [, ms]) => sum + ms, 0);
  const words = parts.map(([stage, ms]) => `${stageName(stage)} ${ms.toFixed(2)} ms`);
  return html`
    <div class="latency">
      <p><span>${t("hazard.latency")}</span><b>${total.toFixed(1)} ms</b></p>
      ${full ? html`<${Stages} latency=${latency} />` : html`
        <div class="bar" role="img" aria-label=${words.join(", ")} title=${words.join("\n")}>
          ${parts.map(([stage, ms]) => html`<i data-stage=${stage} style=${{ flexGrow: Math.max(ms, total * 0.004) }}></i>`)}
        </div>`}
    </div>
  `;
}

function Detail({ event, page, act }) {
  const { detail } = page;
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
          ${detail.trace.slice(0, STEPS).map((step) => html`<li><b>${step.name}</b> ${Object.entries(step.detail).map(([name, value]) => html`<span>${name} ${plain(value)}</span>`)}</li>`)}
        </ol>
      `}
      <button class="tool" type="button" onClick=${() => act.go("events", { event: event.event_id, of: page.site })}>${t("hazard.timeline")}</button>
    </div>
  `;
}

function Equipment({ page }) {
  const heard = (seconds) => (seconds === null ? t("equipment.never") : t("equipment.heard", { age: duration(seconds) }));
  const rsus = (page.view?.rsus ?? []).map((rsu) => ({ ...rsu, kind: "rsu", heard: heard(rsu.last_heard_s), told: t("equipment.traffic", rsu) }));
  const sensors = (page.view?.sensors ?? []).map((sensor) => ({
    ...sensor,
    heard: heard(sensor.last_heard_s),
    told: sensor.rate_hz === null ? "" : t("equipment.sensor", { hz: sensor.rate_hz.toFixed(1), ms: Math.round(sensor.delay_ms ?? 0) }),
  }));
  const shown = new Set([...rsus, ...sensors].map((device) => device.device_id));
  const others = page.devices.filter((device) => !shown.has(device.device_id)).map((device) => ({ ...device, heard: "", told: "" }));
  const all = [...rsus, ...sensors, ...others];
  if (!all.length) return html`<p class="calm">${t("equipment.none")}</p>`;
  return html`<ul class="rows ${page.connection === "live" ? "" : "past"}">
    ${all.map((device) => html`
      <li key=${device.device_id} class=${device.heard ? "" : "slim"} data-health=${health(device.state)}>
        <i></i>
        <div><strong>${device.device_id}</strong><small>${[named(`device.${device.kind}`, t("device.unknown")), device.vendor].filter(Boolean).join(" · ")}</small></div>
        <div class="end"><b>${named(`device_state.${device.state}`, device.state)}</b><small>${device.heard}</small><small>${device.told}</small></div>
      </li>
    `)}
  </ul>`;
}

function Recent({ page, act }) {
  if (!page.recent.length) return html`<p class="calm">${t("recent.none")}</p>`;
  return html`<ul class="rows recent">
    ${page.recent.map((event) => {
      const lasted = event.closed_utc_ns === null ? null : (event.closed_utc_ns - event.opened_utc_ns) / 1e9;
      return html`
        <li key=${event.event_id} data-severity=${event.severity}>
          <i></i>
          <div><button class="link" type="button" onClick=${() => act.go("events", { event: event.event_id, of: event.site })}>${kindName(event.kind)}</button><small>${moment(event.opened_utc_ns)}</small></div>
          <div class="end"><b>${lasted === null ? t("recent.open") : t("recent.lasted", { age: duration(lasted) })}</b><small>${t("hazard.warned", { n: event.warned })}</small></div>
        </li>
      `;
    })}
  </ul>`;
}
