// The dashboard: joins the live channel, the API, the map, the panels and the pages.

import { render } from "./vendor/preact.mjs";
import { get } from "./api.mjs";
import * as devices from "./devices.mjs";
import * as events from "./events.mjs";
import { AgeMeter, connectionState, Feed } from "./feed.mjs";
import { SiteMap } from "./map.mjs";
import * as operations from "./operations.mjs";
import { Alarm, Legend, Notice, Pages, Side, Top } from "./panels.mjs";
import * as performancePage from "./performance.mjs";
import { PAGES, readRoute, writeRoute } from "./route.mjs";
import { loadTexts, switchLanguage, t } from "./text.mjs";
import { html } from "./view.mjs";

const THEME = "wayside.theme";
const PANEL_MS = 200;
const REFRESH_MS = 10000;
const RESTLESS_MS = 1500;
const RECENT = 12;
const SHOWN = {
  devices: [devices, devices.Devices],
  events: [events, events.Events],
  performance: [performancePage, performancePage.Performance],
  operations: [operations, operations.Operations],
};

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const route = readRoute();
const page = {
  sites: [],
  site: route.site,
  route,
  data: undefined,
  told: null,
  place: null,
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
let loading = 0;

function forgetSite() {
  Object.assign(page, { view: null, recent: [], devices: [], chosen: null, detail: null, stored: new Map(), data: undefined, told: null, place: null });
  age.reset();
  lanesOf = null;
  map?.clear();
  feed.socket.close();
}

function showRoute(next, { replace = false, keep = false } = {}) {
  const moved = next.site !== page.site;
  page.route = next;
  page.site = next.site;
  writeRoute(next, replace);
  if (moved) forgetSite();
  else if (!keep) Object.assign(page, { data: undefined, told: null });
  draw();
  return moved ? refresh() : loadPage();
}

const act = {
  chooseSite(site) {
    const filters = { ...page.route.filters, event: "", of: "", cursor: "" };
    showRoute({ ...page.route, site, filters });
  },
  go(name, filters = {}) {
    if (page.route.page === "corridor") page.place = map?.centre() ?? page.place;
    showRoute({ page: name, site: page.site, filters }).then(() => document.getElementById("page").focus({ preventScroll: true }));
    scrollTo({ top: 0 });
  },
  /** Change filters of this page; null clears them all. */
  filter(changes) {
    const filters = changes === null ? {} : { ...page.route.filters, ...changes };
    for (const [name, value] of Object.entries(filters)) if (value === "") delete filters[name];
    page.told = null;
    showRoute({ ...page.route, site: page.site, filters }, { keep: true });
  },
  reload: () => Promise.all([loadSites(), loadPage()]).then(draw),
  tell(told) {
    page.told = told;
    draw();
  },
  release: (site) => operations.release(site, act),
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
  lookAt: (intersection) => map?.lookAt(intersection),
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

addEventListener("popstate", () => {
  const next = readRoute();
  showRoute({ ...next, site: next.site ?? page.site }, { replace: true });
});

async function loadSites() {
  const answer = await get("/api/sites");
  if (!answer) return;
  page.sites = answer.sites;
  if (page.site === null && page.sites.length) {
    page.site = (page.sites.find((site) => site.live_age_ms !== null) ?? page.sites[0]).site;
    page.route.site = page.site;
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
  const answer = await get("/api/events", { site, limit: RECENT });
  if (!answer || site !== page.site) return;
  page.recent = answer.events;
  page.stored = new Map(answer.events.map((event) => [event.event_id, event]));
  draw();
}

async function loadDevices() {
  if (page.site === null) return;
  const answer = await get("/api/devices", { site: page.site, minutes: 1 });
  if (answer) page.devices = answer.devices;
}

/** Load what the shown page is about; an answer that comes after a later request is of no use. */
async function loadPage() {
  const shown = SHOWN[page.route.page];
  if (!shown) return;
  const number = ++loading;
  const data = await shown[0].load({ site: page.site, filters: page.route.filters });
  if (number !== loading) return;
  page.data = data;
  draw();
}

async function refresh() {
  await loadSites();
  await Promise.all([loadLanes(), loadEvents(), loadDevices(), loadPage()]);
  draw();
}

let eventsTimer = null;
function onMessage(message) {
  if (message.type === "live") {
    if (page.site === null) {
      page.site = message.view.site;
      page.route.site = page.site;
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
      if (page.route.page === "events" && !page.route.filters.cursor) loadPage();
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
  const name = page.route.page;
  document.documentElement.dataset.page = name;
  document.title = page.view?.events.length ? `(${page.view.events.length}) Wayside` : "Wayside";
  render(html`<${Top} page=${page} act=${act} />`, document.getElementById("top"));
  render(html`<${Pages} page=${page} pages=${PAGES} act=${act} />`, document.getElementById("pages"));
  render(html`<${Alarm} page=${page} act=${act} />`, document.getElementById("alarm"));
  const shown = SHOWN[name];
  const own = shown && html`<${shown[1]} key=${name} data=${page.data} route=${page.route} act=${act} page=${page} live=${page.view} theme=${page.theme} />`;
  render(own ?? null, document.getElementById("page"));
  if (shown) return;
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
setInterval(refresh, REFRESH_MS);
setInterval(() => page.route.page === "operations" && operations.restless(page.data) && loadPage(), RESTLESS_MS);
