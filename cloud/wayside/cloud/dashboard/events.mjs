// The event list with its filters, paged by the centre, and one event with its trace.

import { get } from "./api.mjs";
import { Stages, Timeline } from "./timeline.mjs";
import { html, kindName, KINDS, moment, Nothing, plain, severityName } from "./view.mjs";
import { duration, named, t } from "./text.mjs";

const PAGE = 50;

// A moment of the form `2026-03-20T08:00` on this computer's clock, in UTC nanoseconds as text.
function nanoseconds(local) {
  const ms = local ? new Date(local).getTime() : NaN;
  return Number.isFinite(ms) ? `${Math.round(ms)}000000` : "";
}

export async function load({ site, filters }) {
  const wanted = {
    site: filters.scope === "all" ? "" : site,
    kind: filters.kind, state: filters.state, severity: filters.severity, text: filters.text,
    since_utc_ns: nanoseconds(filters.since), until_utc_ns: nanoseconds(filters.until),
    cursor: filters.cursor, limit: PAGE,
  };
  const [list, detail] = await Promise.all([get("/api/events", wanted), loadOne(filters)]);
  return list && { list, detail };
}

async function loadOne({ event, of }) {
  if (!event || !of) return undefined;
  const found = await get(`/api/events/${encodeURIComponent(of)}/${encodeURIComponent(event)}`);
  if (!found) return null;
  const trace = found.trace_id ? await get(`/api/trace/${encodeURIComponent(found.trace_id)}`) : null;
  return { event: found, steps: trace?.steps.length ? trace.steps : found.trace, deliveries: trace?.deliveries ?? [] };
}

export function Events({ data, route, act }) {
  const { filters } = route;
  const set = (name) => (event) => act.filter({ [name]: event.target.value, cursor: "", event: "", of: "" });
  const chosen = Boolean(filters.event);
  return html`
    <h1>${t("page.events")}</h1>
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <${Pick} label=${t("filter.kind")} value=${filters.kind} onChange=${set("kind")} options=${KINDS.map((kind) => [kind, kindName(kind)])} />
      <${Pick} label=${t("filter.severity")} value=${filters.severity} onChange=${set("severity")} options=${["1", "2", "3"].map((n) => [n, t("filter.least", { name: severityName(n) })])} />
      <${Pick} label=${t("filter.state")} value=${filters.state} onChange=${set("state")} options=${["open", "closed"].map((name) => [name, t(`event_state.${name}`)])} />
      <label><span>${t("filter.scope")}</span>
        <select value=${filters.scope ?? ""} onChange=${set("scope")}><option value="">${t("filter.this_site")}</option><option value="all">${t("filter.all_sites")}</option></select></label>
      <label><span>${t("filter.since")}</span><input key=${filters.since} type="datetime-local" defaultValue=${filters.since ?? ""} onChange=${set("since")} /></label>
      <label><span>${t("filter.until")}</span><input key=${filters.until} type="datetime-local" defaultValue=${filters.until ?? ""} onChange=${set("until")} /></label>
      <label class="wide"><span>${t("filter.text")}</span><input key=${filters.text} type="search" maxlength="128" placeholder=${t("filter.text_hint")} defaultValue=${filters.text ?? ""} onChange=${set("text")} /></label>
      <button class="tool" type="button" onClick=${() => act.filter(null)}>${t("filter.clear")}</button>
    </form>
    <div class="split" data-chosen=${chosen}>
      <div class="list">
        ${data?.list.events.length ? html`<${List} list=${data.list} filters=${filters} act=${act} />` : html`<${Nothing} loaded=${data} text=${t(Object.keys(filters).length ? "filter.nothing" : "recent.none")} />`}
      </div>
      ${chosen && html`<section class="one" aria-label=${t("event.one")}><${One} detail=${data?.detail} act=${act} /></section>`}
    </div>`;
}

function Pick({ label, value, onChange, options }) {
  return html`<label><span>${label}</span>
    <select value=${value ?? ""} onChange=${onChange}>
      <option value="">${t("filter.all")}</option>
      ${options.map(([name, text]) => html`<option value=${name}>${text}</option>`)}
    </select></label>`;
}

function List({ list, filters, act }) {
  return html`
    <table class="events">
      <thead><tr><th>${t("event.kind")}</th><th>${t("event.opened")}</th><th>${t("event.state")}</th><th>${t("event.place")}</th><th>${t("event.warned")}</th></tr></thead>
      <tbody>
        ${list.events.map((event) => {
          const chosen = filters.event === event.event_id && filters.of === event.site;
          const lasted = event.closed_utc_ns === null ? null : (event.closed_utc_ns - event.opened_utc_ns) / 1e9;
          return html`<tr key=${`${event.site}/${event.event_id}`} data-severity=${event.severity} data-chosen=${chosen} onClick=${() => act.filter({ event: event.event_id, of: event.site })}>
            <td><button type="button" aria-pressed=${chosen}><span class="badge">${severityName(event.severity)}</span><strong>${kindName(event.kind)}</strong></button></td>
            <td>${moment(event.opened_utc_ns)}</td>
            <td>${lasted === null ? html`<b class="open">${t("recent.open")}</b>` : t("recent.lasted", { age: duration(lasted) })}</td>
            <td>${filters.scope === "all" ? `${event.site} · ` : ""}${event.lane || "–"}</td>
            <td class="number">${event.warned}</td>
          </tr>`;
        })}
      </tbody>
    </table>
    <div class="pager">
      ${filters.cursor && html`<button class="tool" type="button" onClick=${() => act.filter({ cursor: "" })}>${t("filter.newest")}</button>`}
      ${list.next && html`<button class="tool" type="button" onClick=${() => act.filter({ cursor: list.next })}>${t("filter.older")}</button>`}
    </div>`;
}

function One({ detail, act }) {
  const close = html`<button class="tool" type="button" onClick=${() => act.filter({ event: "", of: "" })}>${t("event.close")}</button>`;
  if (!detail) return html`<div class="bar-head"><span></span>${close}</div><${Nothing} loaded=${detail} text="" />`;
  const { event, steps, deliveries } = detail;
  return html`
    <div class="bar-head">
      <h2><span class="badge" data-severity=${event.severity}>${severityName(event.severity)}</span> ${kindName(event.kind)}</h2>
      ${close}
    </div>
    <dl class="facts">
      <div><dt>${t("event.opened")}</dt><dd>${moment(event.opened_utc_ns)}</dd></div>
      <div><dt>${t("event.state")}</dt><dd>${event.closed_utc_ns === null ? t("recent.open") : moment(event.closed_utc_ns)}</dd></div>
      <div><dt>${t("event.warned")}</dt><dd>${event.warned}</dd></div>
      ${event.lane && html`<div><dt>${t("hazard.lane")}</dt><dd>${event.lane}</dd></div>`}
      <div><dt>${t("event.identity")}</dt><dd><code>${event.site}/${event.event_id}</code></dd></div>
      <div><dt>${t("hazard.trace")}</dt><dd><code>${event.trace_id}</code></dd></div>
    </dl>
    <h3>${t("hazard.details")}</h3>
    <dl class="facts">${Object.entries(event.evidence).map(([name, value]) => html`<div><dt>${name}</dt><dd>${plain(value)}</dd></div>`)}</dl>
    <h3>${t("trace.stages")}</h3>
    <${Stages} latency=${event.latency_ms} />
    <h3>${t("hazard.way")}</h3>
    <${Timeline} steps=${steps} />
    ${deliveries.length > 0 && html`
      <h3>${t("trace.deliveries")}</h3>
      <ul class="rows">${deliveries.map((item) => html`<li class="plain"><div><strong>${item.device_id}</strong><small>${item.message}</small></div><div class="end"><b>${named(`delivery.${item.state}`, item.state)}</b><small>${item.reason}</small></div></li>`)}</ul>`}`;
}
