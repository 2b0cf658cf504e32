// The page: joins the live channel, the API, the map and the panels.

import { render } from "./vendor/preact.mjs";
import { AgeMeter, connectionState, Feed } from "./feed.mjs";
import { SiteMap } from "./map.mjs";
import { html, Legend, Notice, Side, Top } from "./panels.mjs";
import { loadTexts, switchLanguage, t } from "./text.mjs";

const THEME = "wayside.theme";
const PANEL_MS = 200;
const RECENT = 30;

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const page = {
  sites: [],
  site: new URLSearchParams(location.search).get("site"),
  view: null,
  connection: "connecting",
  ageMs: null,
  edgeNowMs: null,
  theme: localStorage.getItem(THEME) ?? (systemDark.matches ? "dark" : "light"),
  stored: new Map(),
  recent: [],
  devices: [],
  chosen: null,
  detail: null,
  mapFailed: false,
};
const age = new AgeMeter();
let map = null;
let feed = null;
let lanesOf = null;

async function get(path) {
  try {
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the centre is away; the connection's state says so
  }
}

const act = {
  chooseSite(site) {
    Object.assign(page, { site, view: null, recent: [], devices: [], chosen: null, detail: null, stored: new Map() });
    age.reset();
    lanesOf = null;
    map?.clear();
    history.replaceState(null, "", `?site=${encodeURIComponent(site)}`);
    feed.socket.close();
    refresh();
  },
  async choose(eventId) {
    page.chosen = page.chosen === eventId ? null : eventId;
    page.detail = null;
    draw();
    if (page.chosen === null) return;
    const live = page.view?.events.find((event) => event.event_id === eventId);
    if (live) map?.look(live.lon_deg, live.lat_deg);
    const path = `/api/events/${encodeURIComponent(page.site)}/${encodeURIComponent(eventId)}`;
    page.detail = (await get(path)) ?? { event_id: eventId, missing: true };
    draw();
  },
  switchLanguage() {
    switchLanguage();
    if (page.view) map?.show(page.view, page.edgeNowMs);
    draw();
  },
  switchTheme() {
    page.theme = page.theme === "dark" ? "light" : "dark";
    localStorage.setItem(THEME, page.theme);
    applyTheme();
    draw();
  },
  fit: () => map?.fit(true, true),
};

function applyTheme() {
  document.documentElement.dataset.theme = page.theme;
  map?.setTheme(page.theme);
}

systemDark.addEventListener("change", (event) => {
  if (localStorage.getItem(THEME) !== null) return;
  page.theme = event.matches ? "dark" : "light";
  applyTheme();
  draw();
});

async function loadSites() {
  const answer = await get("/api/sites");
  if (!answer) return;
  page.sites = answer.sites;
  if (page.site === null && page.sites.length) {
    page.site = (page.sites.find((site) => site.live_age_ms !== null) ?? page.sites[0]).site;
  }
}

async function loadLanes() {
  const site = page.site;
  if (site === null || lanesOf === site) return;
  const lanes = await get(`/api/sites/${encodeURIComponent(site)}/lanes`);
  if (lanes === null || site !== page.site) return;
  lanesOf = site;
  map?.setLanes(lanes);
}

async function loadEvents() {
  if (page.site === null) return;
  const site = page.site;
  const answer = await get(`/api/events?site=${encodeURIComponent(site)}&limit=${RECENT}`);
  if (!answer || site !== page.site) return;
  page.recent = answer.events;
  page.stored = new Map(answer.events.map((event) => [event.event_id, event]));
  draw();
}

async function loadDevices() {
  if (page.site === null) return;
  const answer = await get(`/api/devices?site=${encodeURIComponent(page.site)}`);
  if (answer) page.devices = answer.devices;
}

async function refresh() {
  await loadSites();
  await Promise.all([loadLanes(), loadEvents(), loadDevices()]);
  draw();
}

let eventsTimer = null;
function onMessage(message) {
  if (message.type === "live") {
    if (page.site === null) {
      page.site = message.view.site;
      refresh();
    }
    if (message.view.site !== page.site) return;
    page.view = message.view;
    age.saw(message.view.utc_ns / 1e6, message.age_ms);
    if (tell()) draw();
    map?.show(message.view, page.edgeNowMs);
    if (lanesOf === null) loadLanesSoon();
  } else if (message.type === "events" && message.site === page.site && eventsTimer === null) {
    eventsTimer = setTimeout(() => {
      eventsTimer = null;
      loadEvents();
    }, 300);
  }
}

let lanesTimer = null;
function loadLanesSoon() {
  lanesTimer ??= setTimeout(async () => {
    await loadSites();
    await loadLanes();
    lanesTimer = null;
  }, 500);
}

// Bring up to date what may be claimed of the data; true when that has changed.
function tell() {
  const before = page.connection;
  page.ageMs = age.ageMs();
  page.edgeNowMs = age.edgeNowMs();
  page.connection = connectionState(feed, page.ageMs);
  document.documentElement.dataset.connection = page.connection;
  return page.connection !== before;
}

function draw() {
  tell();
  document.title = page.view?.events.length ? `(${page.view.events.length}) Wayside` : "Wayside";
  render(html`<${Top} page=${page} act=${act} />`, document.getElementById("top"));
  render(html`<${Notice} page=${page} />`, document.getElementById("notice"));
  render(html`<${Legend} act=${act} />`, document.getElementById("legend"));
  render(html`<${Side} page=${page} act=${act} />`, document.getElementById("side"));
  document.getElementById("map").setAttribute("aria-label", t("map"));
}

await loadTexts();
applyTheme();
try {
  map = new SiteMap(document.getElementById("map"), page.theme, act.choose);
} catch {
  page.mapFailed = true; // no WebGL; the panels say what they know
}
feed = new Feed(onMessage, () => page.site);
draw();
refresh();
setInterval(draw, PANEL_MS);
setInterval(refresh, 10000);
