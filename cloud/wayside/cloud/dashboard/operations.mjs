// Commands to a site, and what became of them.

import { get, post } from "./api.mjs";
import { html, kindName, KINDS, moment, Nothing } from "./view.mjs";
import { named, t } from "./text.mjs";

const KIND_FORMS = ["post_sign", "withdraw_sign", "dismiss_event", "switch_app"];
const OPERATOR = "wayside.operator";
const TOKEN = "wayside.operator_token";
const SPEED_LIMIT = 85;
const FINAL = new Set(["done", "refused", "expired", "accepted", "unanswered"]);
const GOOD = new Set(["done", "accepted"]);

export async function load({ site }) {
  const [access, list, audit] = await Promise.all([get("/api/access"), get("/api/commands", { site, limit: 30 }), get("/api/audit", { limit: 20 })]);
  return access && list && { access: access.commands, commands: list.commands, audit: audit?.entries ?? [] };
}

/** Whether something is still to be answered, and the page to be looked at more often. */
export const restless = (data) => Boolean(data?.commands.some((command) => !FINAL.has(command.state)));

const remembered = (name, store) => store.getItem(name) ?? "";

function numbers(form, ...names) {
  return Object.fromEntries(names.map((name) => [name, Number(form.get(name))]));
}

// What a form says, as the body of a command.
const BODIES = {
  post_sign(form) {
    const limit = form.get("limit_kmh") ? Number(form.get("limit_kmh")) / 3.6 : null;
    const body = { type: "post_sign", sign_id: form.get("sign_id"), code: Number(form.get("code")), text: form.get("text"), speed_limit_mps: limit, ...numbers(form, "lat_deg", "lon_deg", "radius_m") };
    const minutes = Number(form.get("minutes"));
    if (minutes > 0) body.until_utc_ns = Math.round(Date.now() + minutes * 60000) * 1000000;
    return body;
  },
  withdraw_sign: (form) => ({ type: "withdraw_sign", sign_id: form.get("sign_id") }),
  dismiss_event: (form) => ({ type: "dismiss_event", event_id: form.get("event_id"), silence_s: Number(form.get("silence_min")) * 60 }),
  switch_app: (form) => ({ type: "switch_app", app: form.get("app"), on: form.get("on") === "on" }),
};

async function submit(event, kind, page, act) {
  event.preventDefault();
  const form = new FormData(event.target);
  const operator = form.get("operator").trim();
  const token = form.get("token") ?? "";
  localStorage.setItem(OPERATOR, operator);
  sessionStorage.setItem(TOKEN, token);
  act.tell({ busy: true });
  const body = { site: page.site, operator, valid_s: Number(form.get("valid_s")), body: BODIES[kind](form) };
  const answer = await post("/api/commands", body, token);
  act.tell(answer.ok ? { given: true } : { failed: answer });
  await act.reload();
}

/** Let another edge report as a site. */
export async function release(site, act) {
  const operator = remembered(OPERATOR, localStorage) || t("operations.someone");
  const answer = await post(`/api/sites/${encodeURIComponent(site)}/release`, { operator }, remembered(TOKEN, sessionStorage));
  act.tell(answer.ok ? { released: true } : { failed: answer });
  await act.reload();
}

export function Operations({ data, route, act, page }) {
  if (!data) return html`<h1>${t("page.operations")}</h1><${Nothing} loaded=${data} text="" />`;
  const kind = KIND_FORMS.includes(route.filters.form) ? route.filters.form : KIND_FORMS[0];
  return html`
    <h1>${t("page.operations")}</h1>
    <div class="operations">
      <section class="panel">
        <header><h2>${t("operations.give")}</h2></header>
        ${data.access === "closed" ? html`<p class="calm">${t("operations.closed")}</p>` : html`
          <div class="chips" role="tablist">
            ${KIND_FORMS.map((name) => html`<button type="button" role="tab" aria-selected=${kind === name} aria-pressed=${kind === name} onClick=${() => act.filter({ form: name })}>${t(`command.${name}`)}</button>`)}
          </div>
          <${Form} key=${kind} kind=${kind} data=${data} page=${page} act=${act} />`}
        <${Told} told=${page.told} />
      </section>
      <section class="panel">
        <header><h2>${t("operations.given")}</h2></header>
        ${data.commands.length ? html`<ul class="rows commands">${data.commands.map((command) => html`<${Given} key=${command.command_id} command=${command} />`)}</ul>` : html`<p class="calm">${t("operations.none")}</p>`}
        <details class="audit"><summary>${t("operations.audit")}</summary>
          <ul class="rows">${data.audit.map((entry) => html`<li class="plain"><div><strong>${named(`command.${entry.action}`, entry.action)}</strong><small>${entry.site}</small></div><div class="end"><b>${entry.operator}</b><small>${moment(entry.utc_ns)} · ${entry.address}</small></div></li>`)}</ul>
        </details>
      </section>
    </div>`;
}

function Told({ told }) {
  if (!told) return null;
  if (told.failed) {
    const { status, body } = told.failed;
    const why = status === 0 ? t("operations.away") : named(`refusal.${body?.reason}`, body?.detail ?? String(status));
    return html`<p class="told" data-kind="bad" role="alert">${t("operations.failed", { why })}</p>`;
  }
  if (told.busy) return html`<p class="told" role="status">${t("operations.busy")}</p>`;
  return html`<p class="told" data-kind="good" role="status">${t(told.released ? "operations.released" : "operations.sent")}</p>`;
}

function Field({ name, label, ...rest }) {
  return html`<label><span>${label}</span><input name=${name} ...${rest} /></label>`;
}

function Form({ kind, data, page, act }) {
  const nothing = kind === "dismiss_event" && !page.view?.events.length;
  const Body = { post_sign: Post, withdraw_sign: Withdraw, dismiss_event: Dismiss, switch_app: Switch }[kind];
  return html`
    <form class="command" onSubmit=${(event) => submit(event, kind, page, act)}>
      <${Body} page=${page} />
      <div class="who">
        <${Field} name="operator" label=${t("operations.operator")} required maxlength="64" defaultValue=${remembered(OPERATOR, localStorage)} autocomplete="username" />
        ${data.access === "token" && html`<${Field} name="token" label=${t("operations.token")} type="password" required defaultValue=${remembered(TOKEN, sessionStorage)} autocomplete="current-password" />`}
        <label><span>${t("operations.valid")}</span><select name="valid_s"><option value="60">${t("unit.min", { n: 1 })}</option><option value="300" selected>${t("unit.min", { n: 5 })}</option><option value="3600">${t("unit.h", { n: 1 })}</option></select></label>
      </div>
      <button class="primary" type="submit" disabled=${!page.site || nothing || page.told?.busy}>${t("operations.submit", { site: page.site ?? "–" })}</button>
    </form>`;
}

function Post({ page }) {
  const place = page.place ?? page.sites.find((site) => site.site === page.site);
  const degrees = { type: "number", step: "0.000001", required: true };
  return html`
    <${Field} name="sign_id" label=${t("sign.id")} required maxlength="64" pattern="\\S+" placeholder="limit-1" />
    <${Field} name="code" label=${t("sign.code")} type="number" min="0" max="65535" required defaultValue=${SPEED_LIMIT} />
    <${Field} name="limit_kmh" label=${t("sign.limit")} type="number" min="5" max="130" step="5" defaultValue="40" />
    <${Field} name="text" label=${t("sign.text")} maxlength="256" />
    <${Field} name="lat_deg" label=${t("sign.lat")} ...${degrees} min="-90" max="90" defaultValue=${place?.lat_deg?.toFixed(6) ?? ""} />
    <${Field} name="lon_deg" label=${t("sign.lon")} ...${degrees} min="-180" max="180" defaultValue=${place?.lon_deg?.toFixed(6) ?? ""} />
    <${Field} name="radius_m" label=${t("sign.radius")} type="number" min="1" max="2000" required defaultValue="12" />
    <${Field} name="minutes" label=${t("sign.minutes")} type="number" min="0" max="44640" defaultValue="60" />
    <p class="soft">${t("sign.place_hint")}</p>`;
}

function Withdraw({ page }) {
  const signs = (page.view?.signs ?? []).filter((sign) => sign.source === "operator");
  return html`
    <${Field} name="sign_id" label=${t("sign.id")} required maxlength="64" list="posted" autocomplete="off" />
    <datalist id="posted">${signs.map((sign) => html`<option value=${sign.sign_id}>${sign.text}</option>`)}</datalist>`;
}

function Dismiss({ page }) {
  const events = page.view?.events ?? [];
  if (!events.length) return html`<p class="calm">${t("hazards.none")}</p>`;
  return html`
    <label><span>${t("event.one")}</span><select name="event_id" required>${events.map((event) => html`<option key=${event.event_id} value=${event.event_id}>${kindName(event.kind)} · ${event.lane || event.event_id}</option>`)}</select></label>
    <${Field} name="silence_min" label=${t("operations.silence")} type="number" min="0" max="1440" required defaultValue="10" />`;
}

function Switch() {
  const apps = [...KINDS, "glosa"];
  return html`
    <label><span>${t("operations.app")}</span><select name="app">${apps.map((name) => html`<option value=${name}>${kindName(name)}</option>`)}</select></label>
    <fieldset><legend class="hidden">${t("command.switch_app")}</legend>
      <label class="choice"><input type="radio" name="on" value="off" required defaultChecked />${t("operations.off")}</label>
      <label class="choice"><input type="radio" name="on" value="on" />${t("operations.on")}</label>
    </fieldset>`;
}

function about(body) {
  switch (body.type) {
    case "post_sign": return `${body.sign_id}${body.speed_limit_mps ? ` · ${Math.round(body.speed_limit_mps * 3.6)} km/h` : ""}${body.text ? ` · ${body.text}` : ""}`;
    case "withdraw_sign": return body.sign_id;
    case "dismiss_event": return `${body.event_id} · ${t("unit.min", { n: Math.round(body.silence_s / 60) })}`;
    default: return `${kindName(String(body.app))} · ${t(body.on ? "operations.on" : "operations.off")}`;
  }
}

function Given({ command }) {
  const kind = GOOD.has(command.state) ? "good" : command.state === "pending" ? "fair" : "bad";
  const why = command.reason && named(`refusal.${command.reason}`, command.detail || command.reason);
  return html`<li data-health=${kind}>
    <i></i>
    <div><strong>${t(`command.${command.body.type}`)}</strong><small>${about(command.body)}</small></div>
    <div class="end"><b>${named(`command_state.${command.state}`, command.state)}</b>${why && html`<small>${why}</small>`}<small>${command.operator} · ${moment(command.issued_utc_ns)}</small></div>
  </li>`;
}
