// The device list: units and sensors, their state, and what became of the messages to them.

import { get } from "./api.mjs";
import { health } from "./equipment.mjs";
import { html, moment, Nothing } from "./view.mjs";
import { named, t } from "./text.mjs";

// Outcomes in the order of a message's life; those that a unit cannot reach stay empty.
const STATES = ["sent", "acked", "active", "superseded", "expired", "revoked", "rejected", "timeout", "offline_dropped", "too_large", "unsupported", "encode_error", "rate_limited"];
const GOOD = new Set(["sent", "acked", "active"]);
const IDLE = new Set(["superseded", "expired", "revoked"]);

export async function load({ site }) {
  const answer = await get("/api/devices", { site, minutes: 60 });
  const worst = ["bad", "fair", "good"];
  const rank = (device) => worst.indexOf(health(device.state));
  return answer && answer.devices.sort((a, b) => rank(a) - rank(b) || a.device_id.localeCompare(b.device_id));
}

export function Devices({ data, route, act, live }) {
  if (!data?.length) return html`<h1>${t("page.devices")}</h1><${Nothing} loaded=${data} text=${t("equipment.none")} />`;
  const wanted = route.filters.state ?? "";
  const shown = data.filter((device) => !wanted || health(device.state) === wanted);
  const tally = { good: 0, fair: 0, bad: 0 };
  for (const device of data) tally[health(device.state)] += 1;
  return html`
    <h1>${t("page.devices")}</h1>
    <div class="chips" role="group" aria-label=${t("devices.filter")}>
      <button type="button" aria-pressed=${!wanted} onClick=${() => act.filter({ state: "" })}>${t("filter.all")} <b>${data.length}</b></button>
      ${Object.entries(tally).map(([name, number]) => html`
        <button type="button" data-health=${name} aria-pressed=${wanted === name} onClick=${() => act.filter({ state: name })}><i></i>${t(`health.${name}`)} <b>${number}</b></button>`)}
    </div>
    ${shown.length ? html`<div class="devices">${shown.map((device) => html`<${Device} key=${device.device_id} device=${device} live=${live} />`)}</div>` : html`<p class="calm">${t("filter.nothing")}</p>`}
  `;
}

function Device({ device, live }) {
  const now = [...(live?.rsus ?? []), ...(live?.sensors ?? [])].find((item) => item.device_id === device.device_id);
  const messages = [...new Set([...Object.keys(device.deliveries), ...Object.keys(device.last), ...Object.keys(device.received)])].sort();
  const facts = [
    device.vendor && [t("devices.vendor"), device.vendor],
    [t("devices.changed"), moment(device.utc_ns)],
    Number.isFinite(now?.last_heard_s) && [t("devices.heard"), t("unit.s", { n: now.last_heard_s.toFixed(1) })],
    Number.isFinite(now?.rate_hz) && [t("devices.rate"), `${now.rate_hz.toFixed(1)} Hz`],
    Number.isFinite(now?.delay_ms) && [t("devices.delay"), `${Math.round(now.delay_ms)} ms`],
    ...Object.entries(device.detail).map(([name, value]) => [name, String(value)]),
  ].filter(Boolean);
  return html`
    <article class="device" data-health=${health(device.state)}>
      <header>
        <i></i>
        <div><h2>${device.device_id}</h2><small>${named(`device.${device.kind}`, t("device.unknown"))}</small></div>
        <b class="state">${named(`device_state.${device.state}`, device.state)}</b>
      </header>
      <dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
      ${messages.length > 0 && html`<${Outcomes} device=${device} messages=${messages} />`}
    </article>`;
}

function Outcomes({ device, messages }) {
  return html`
    <div class="scroll">
    <table class="outcomes">
      <caption>${t("devices.outcomes")}</caption>
      <thead><tr><th>${t("devices.message")}</th><th>${t("devices.received")}</th><th>${t("devices.reached")}</th><th>${t("devices.last")}</th></tr></thead>
      <tbody>
        ${messages.map((message) => {
          const reached = device.deliveries[message] ?? {};
          const last = device.last[message];
          const known = STATES.filter((state) => reached[state]);
          return html`<tr>
            <th>${message}</th>
            <td class="number">${device.received[message] ?? "–"}</td>
            <td>${known.length ? known.map((state) => html`<span class="outcome" data-kind=${GOOD.has(state) ? "good" : IDLE.has(state) ? "idle" : "bad"}>${named(`delivery.${state}`, state)} <b>${reached[state]}</b></span>`) : "–"}</td>
            <td>${last ? html`<span>${named(`delivery.${last.state}`, last.state)}${last.reason && ` · ${last.reason}`}</span> <small>${moment(last.utc_ns)}</small>` : "–"}</td>
          </tr>`;
        })}
      </tbody>
    </table>
    </div>`;
}
