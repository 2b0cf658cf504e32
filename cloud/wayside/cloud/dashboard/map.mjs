// The map: lanes, signals, road users, roadside units and hazards of one site.

import { Map as MapView, Marker } from "./vendor/maplibre-gl.mjs";
import { health } from "./equipment.mjs";
import { boundsOf, cleanLanes, junctions, participantFeatures, stopLines, stretchBefore } from "./shapes.mjs";
import { duration, named, t } from "./text.mjs";

// What is shown of the ways to an intersection at first.
const APPROACH_M = 48;
// Below this zoom the chips of the signals would cover one another; the stop lines keep their colours.
const CHIP_ZOOM = 16.4;
// Sign types with a sign of their own on the map.
const SPEED_LIMIT = 85;
// Pixels a signal's chip takes, and that a hazard must be inside the map's edge to count as seen.
const CHIP = [54, 25];
const EDGE = 20;
const POINTER = 26;
// How long the view stays wide after the last hazard.
const STAY_WIDE_MS = 5000;
const SOURCES = ["junctions", "lanes", "stops", "jams", "participants"];
const EMPTY = { type: "FeatureCollection", features: [] };
const COLOURS = {
  dark: {
    ground: "#0f1720", road: "#2a3644", marking: "#566779", edge: "#4a5a6c", bike: "#21463f", walk: "#93a4b5",
    car: "#8fb8e8", large: "#b39ddb", cyclist: "#4fd1b8", pedestrian: "#ffb454", outline: "#0a1017", connected: "#eafcff",
  },
  light: {
    ground: "#e9edf1", road: "#b9c3cd", marking: "#f4f7fa", edge: "#97a4b1", bike: "#a6d3c6", walk: "#ffffff",
    car: "#2367ad", large: "#6747ad", cyclist: "#00796b", pedestrian: "#c25a00", outline: "#ffffff", connected: "#0b1f33",
  },
};
const LIGHTS = {
  red: "#ff4d4f", flashing_red: "#ff4d4f", yellow: "#ffc53d", flashing_yellow: "#ffc53d", green: "#36d399",
};
const LIGHT_UNKNOWN = "#8c9bab";

// Line width of a number of metres at any zoom: a metre doubles its pixels with each zoom level.
const metres = (expression, latDeg) => {
  const at = (zoom) => (512 * 2 ** zoom) / (40075016.686 * Math.cos((latDeg * Math.PI) / 180));
  return ["interpolate", ["exponential", 2], ["zoom"], 10, ["*", expression, at(10)], 22, ["*", expression, at(22)]];
};

const ICONS = {
  hazard: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 2.8 22.6 21H1.4Z" fill="currentColor"/><path d="M12 9v5.4" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/><circle cx="12" cy="17.8" r="1.4" fill="#fff"/></svg>',
  sensor: '<svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"><path d="M3 8h11v8H3zM14 11l6-3v8l-6-3z"/></svg>',
  rsu: '<svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"><path d="M12 11v10M8.5 21h7M8 12.500a5 5 0 0 1 0-7M16 12.500a5 5 0 0 0 0-7M5 15a9 9 0 0 1 0-12M19 15a9 9 0 0 0 0-12"/><circle cx="12" cy="9" r="1.600" fill="currentColor"/></svg>',
};

function element(className, html = "") {
  const node = document.createElement("div");
  node.className = className;
  node.innerHTML = html;
  return node;
}

/** Keeps one HTML marker per key; `make` builds its element, `dress` brings it up to date. */
class Markers {
  constructor(map, make, dress) {
    Object.assign(this, { map, make, dress, there: new Map() });
  }

  set(items) {
    const keys = new Set();
    for (const { key, at, item } of items) {
      keys.add(key);
      let marker = this.there.get(key);
      if (!marker) {
        marker = new Marker({ element: this.make(item) }).setLngLat(at).addTo(this.map);
        this.there.set(key, marker);
      }
      marker.setLngLat(at);
      this.dress(marker.getElement(), item);
    }
    for (const [key, marker] of this.there) {
      if (keys.has(key)) continue;
      marker.remove();
      this.there.delete(key);
    }
  }
}

/** The map of one site. `onSelect` is called with the event_id of a hazard that was chosen. */
export class SiteMap {
  constructor(container, theme, onSelect) {
    this.theme = theme;
    this.lanes = [];
    this.stops = new Map();
    this.view = null;
    this.fitted = false;
    this.moved = false;
    this.wideUntil = null;
    this.far = new Map();
    this.onSelect = onSelect;
    this.latDeg = 0;
    this.map = new MapView({
      container,
      style: { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": COLOURS[theme].ground } }] },
      center: [117.312, 38.9976],
      zoom: 16,
      maxZoom: 21,
      attributionControl: false,
      fadeDuration: 0,
      canvasContextAttributes: { preserveDrawingBuffer: true },
    });
    this.ready = new Promise((resolve) => this.map.once("load", resolve)).then(() => this.#addLayers());
    this.signals = new Markers(this.map, () => element("signal", '<i></i><b></b>'), dressSignal);
    this.rsus = new Markers(this.map, () => element("rsu", ICONS.rsu), dressRsu);
    this.sensors = new Markers(this.map, () => element("rsu sensor", ICONS.sensor), dressRsu);
    this.signs = new Markers(this.map, () => element("sign", "<b></b>"), dressSign);
    this.names = new Markers(this.map, (item) => makeName(item, (name) => this.lookAt(name)), dressName);
    this.hazards = new Markers(this.map, (item) => makeHazard(item, onSelect), dressHazard);
    this.map.on("zoomend", () => this.#redraw());
    this.map.on("zoom", () => this.#tellZoom());
    this.#tellZoom();
    this.map.on("movestart", (event) => (this.moved ||= Boolean(event.originalEvent)));
    this.map.on("move", () => this.#pointAtFar());
    const resize = new ResizeObserver(() => this.map.resize());
    resize.observe(container);
  }

  #tellZoom() {
    this.map.getContainer().dataset.far = this.map.getZoom() < CHIP_ZOOM;
  }

  #addLayers() {
    for (const name of SOURCES) {
      this.map.addSource(name, { type: "geojson", data: EMPTY });
    }
    const vehicle = ["==", ["get", "kind"], "vehicle"];
    const of = (kind) => ["==", ["get", "kind"], kind];
    const add = (id, type, source, paint, filter, layout = {}) =>
      this.map.addLayer({ id, type, source, paint, layout, ...(filter ? { filter } : {}) });
    const flat = { "line-cap": "butt", "line-join": "round" };
    const polygons = ["==", ["geometry-type"], "Polygon"];
    add("junction", "fill", "junctions", {});
    add("road-edge", "line", "lanes", {}, vehicle, flat);
    add("road", "line", "lanes", {}, vehicle, flat);
    add("bike", "line", "lanes", {}, of("bike"), flat);
    add("walk", "line", "lanes", { "line-dasharray": [0.13, 0.15] }, of("crosswalk"), flat);
    add("sidewalk", "line", "lanes", { "line-opacity": 0.4 }, of("sidewalk"), flat);
    add("stop", "line", "stops", { "line-color": ["get", "colour"] }, null, { "line-cap": "round" });
    add("jam", "line", "jams", { "line-color": "#d1202b", "line-opacity": 0.55, "line-width": 9 }, null, { "line-cap": "round", "line-join": "round" });
    add("jam-tail", "line", "jams", { "line-color": "#ffffff", "line-width": 2, "line-dasharray": [1, 1.6] }, null, flat);
    add("body", "fill", "participants", {}, polygons);
    add("body-edge", "line", "participants", { "line-width": 1 }, polygons);
    add("body-connected", "line", "participants", { "line-width": 2.2 }, ["all", polygons, ["get", "connected"]]);
    add("pedestrian", "circle", "participants", {
      "circle-radius": ["interpolate", ["linear"], ["zoom"], 15, 2.5, 18, 4.5, 20, 8],
      "circle-stroke-width": ["case", ["get", "connected"], 2.2, 1],
    }, ["==", ["get", "group"], "pedestrian"]);
    this.loaded = true;
    this.setTheme(this.theme);
    if (this.lanes.length) this.#drawLanes();
    this.#redraw();
  }

  /** Change to the `dark` or `light` colours. */
  setTheme(theme) {
    this.theme = theme;
    if (!this.loaded) return;
    const c = COLOURS[theme];
    const group = ["match", ["get", "group"], "large", c.large, "cyclist", c.cyclist, "pedestrian", c.pedestrian, c.car];
    const rim = ["case", ["get", "connected"], c.connected, c.outline];
    const paint = {
      ground: { "background-color": c.ground },
      junction: { "fill-color": c.road },
      "road-edge": { "line-color": c.edge },
      road: { "line-color": c.road },
      bike: { "line-color": c.bike },
      walk: { "line-color": c.walk },
      sidewalk: { "line-color": c.edge },
      body: { "fill-color": group },
      "body-edge": { "line-color": c.outline },
      "body-connected": { "line-color": c.connected },
      pedestrian: { "circle-color": c.pedestrian, "circle-stroke-color": rim },
    };
    for (const [layer, values] of Object.entries(paint)) {
      for (const [name, value] of Object.entries(values)) this.map.setPaintProperty(layer, name, value);
    }
  }

  /** Set the site's lanes (GeoJSON, see the records' SiteRecord) and bring them into view. */
  setLanes(collection) {
    this.lanes = cleanLanes(collection);
    this.stops = stopLines(this.lanes);
    this.fitted = false;
    this.moved = false;
    this.middles = new Map(junctions(this.lanes).map((junction) => [junction.properties.intersection, junction.geometry.coordinates[0]]));
    this.names.set(
      this.middles.size < 2 ? [] : [...this.middles].map(([name, ring]) => ({ key: name, at: middleOf(ring), item: { name } })),
    );
    if (this.loaded) this.#drawLanes();
    this.fit();
    this.#redraw();
  }

  #redraw() {
    if (this.view) this.show(this.view, this.edgeNowMs);
  }

  #drawLanes() {
    this.latDeg = this.lanes[0]?.geometry.coordinates[0][1] ?? 0;
    const width = ["get", "width_m"];
    const widths = {
      "road-edge": ["+", width, 0.5], road: ["-", width, 0.16], bike: width, walk: width, sidewalk: width, stop: 0.7,
    };
    for (const [layer, expression] of Object.entries(widths)) {
      this.map.setPaintProperty(layer, "line-width", metres(expression, this.latDeg));
    }
    this.map.getSource("lanes").setData({ type: "FeatureCollection", features: this.lanes });
    this.map.getSource("junctions").setData({ type: "FeatureCollection", features: junctions(this.lanes) });
  }

  /** Bring the intersections and `also` these places into view, or with `whole` all lanes. */
  fit(whole = false, animate = false, also = []) {
    this.moved = whole;
    const lanes = this.lanes.flatMap((lane) => lane.geometry.coordinates);
    const middle = junctions(this.lanes).flatMap((junction) => junction.geometry.coordinates[0]);
    const people = (this.view?.participants ?? []).map((p) => [p.lon_deg, p.lat_deg]);
    const bounds = (!whole && middle.length && boundsOf([...middle, ...also], APPROACH_M)) || boundsOf(lanes) || boundsOf(people, APPROACH_M);
    if (!bounds) return;
    this.fitted = true;
    const smooth = animate && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map.fitBounds(bounds, { padding: 28, animate: smooth, maxZoom: 19 });
  }

  /** Bring a hazard into view, when it is not. */
  look(lon, lat) {
    this.moved = true;
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map.easeTo({ center: [lon, lat], zoom: Math.max(this.map.getZoom(), 18), duration: smooth ? 500 : 0 });
  }

  /** Bring one intersection into view, by its name. */
  lookAt(intersection) {
    const ring = this.middles?.get(intersection);
    const bounds = ring && boundsOf(ring, APPROACH_M);
    if (!bounds) return;
    this.moved = true;
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map.fitBounds(bounds, { padding: 28, animate: smooth, maxZoom: 19 });
  }

  /** The middle of what is seen: {lat_deg, lon_deg}. */
  centre() {
    const { lat, lng } = this.map.getCenter();
    return { lat_deg: lat, lon_deg: lng };
  }

  /** Draw a live view; `edgeNowMs` is the edge's time of day now. */
  show(view, edgeNowMs) {
    this.view = view;
    this.edgeNowMs = edgeNowMs;
    if (!this.fitted) this.fit();
    this.hazards.set(
      view.events.map((item) => ({ key: item.event_id, at: [item.lon_deg, item.lat_deg], item: { ...item, edgeNowMs } })),
    );
    this.#follow(view.events);
    this.#pointAtFar();
    this.rsus.set(view.rsus.map((item) => ({ key: item.device_id, at: [item.lon_deg, item.lat_deg], item })));
    this.sensors.set((view.sensors ?? []).map((item) => ({ key: item.device_id, at: [item.lon_deg, item.lat_deg], item })));
    this.signs.set((view.signs ?? []).map((item) => ({ key: item.sign_id, at: [item.lon_deg, item.lat_deg], item })));
    this.#showSignals(view.signals);
    if (!this.loaded) return;
    this.#showJams(view.events);
    this.map.getSource("participants").setData({
      type: "FeatureCollection",
      features: participantFeatures(view.participants, this.map.getZoom()),
    });
  }

  #showJams(events) {
    const features = [];
    for (const event of events) {
      const lane = event.length_m > 0 && this.lanes.find((each) => each.properties.lane === event.lane);
      if (!lane) continue;
      const coordinates = stretchBefore(lane.geometry.coordinates, [event.lon_deg, event.lat_deg], event.length_m);
      if (coordinates.length > 1) features.push({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
    }
    if (!features.length && !this.jams) return;
    this.jams = features.length;
    this.map.getSource("jams").setData({ type: "FeatureCollection", features });
  }

  #showSignals(signals) {
    const colours = new Map();
    const labels = [];
    for (const item of signals) {
      const lines = item.lanes.map((lane) => this.stops.get(lane)).filter(Boolean);
      for (const lane of item.lanes) colours.set(lane, LIGHTS[item.state] ?? LIGHT_UNKNOWN);
      if (!lines.length) continue;
      const at = [0, 1].map((i) => lines.reduce((sum, line) => sum + line.label[i], 0) / lines.length);
      labels.push({ key: `${item.intersection}/${item.signal_group}`, at, item });
    }
    this.signals.set(labels);
    this.#spreadSignals();
    if (!this.loaded) return;
    const features = [...this.stops].map(([lane, line]) => ({
      type: "Feature",
      properties: { colour: colours.get(lane) ?? LIGHT_UNKNOWN },
      geometry: { type: "LineString", coordinates: line.ends },
    }));
    const drawn = JSON.stringify(features.map((f) => f.properties.colour)) + this.lanes.length;
    if (drawn === this.drawnStops) return;
    this.drawnStops = drawn;
    this.map.getSource("stops").setData({ type: "FeatureCollection", features });
  }

  /** Move apart the signals that would cover one another, outward from the middle of all. */
  #spreadSignals() {
    const chips = [...this.signals.there.values()].map((marker) => {
      const { x, y } = this.map.project(marker.getLngLat());
      return { marker, x, y };
    });
    const middle = chips.reduce((sum, chip) => sum + chip.y / chips.length, 0);
    chips.sort((a, b) => Math.abs(a.y - middle) - Math.abs(b.y - middle));
    const placed = [];
    for (const chip of chips) {
      let y = chip.y;
      for (let tries = 0; tries < 3; tries += 1) {
        const other = placed.find((p) => Math.abs(p.x - chip.x) < CHIP[0] && Math.abs(p.y - y) < CHIP[1] - 1);
        if (!other) break;
        y = other.y + (chip.y < middle ? -CHIP[1] : CHIP[1]);
      }
      placed.push({ x: chip.x, y });
      chip.marker.setOffset([0, Math.round(y - chip.y)]);
    }
  }

  #seen(item) {
    const { clientWidth: wide, clientHeight: high } = this.map.getContainer();
    const { x, y } = this.map.project([item.lon_deg, item.lat_deg]);
    return x >= EDGE && y >= EDGE && x <= wide - EDGE && y <= high - EDGE;
  }

  /** Widen the view to hold every hazard, and narrow it later, unless somebody has moved the map. */
  #follow(events) {
    if (this.moved || !this.fitted || this.map.isMoving()) return;
    const now = performance.now();
    if (events.some((item) => !this.#seen(item))) {
      this.fit(false, true, events.map((item) => [item.lon_deg, item.lat_deg]));
      this.wideUntil = now + STAY_WIDE_MS;
    } else if (this.wideUntil !== null) {
      if (events.length) this.wideUntil = now + STAY_WIDE_MS;
      if (now < this.wideUntil) return;
      this.wideUntil = null;
      this.fit(false, true);
    }
  }

  /** Keep a pointer at the map's edge for each hazard that is out of view. */
  #pointAtFar() {
    const container = this.map.getContainer();
    const far = new Map((this.view?.events ?? []).filter((item) => !this.#seen(item)).map((item) => [item.event_id, item]));
    for (const [id, node] of this.far) {
      if (far.has(id)) continue;
      node.remove();
      this.far.delete(id);
    }
    for (const [id, item] of far) {
      let node = this.far.get(id);
      if (!node) {
        node = makePointer(id, this.onSelect);
        container.append(node);
        this.far.set(id, node);
      }
      const at = this.map.project([item.lon_deg, item.lat_deg]);
      const x = Math.min(Math.max(at.x, POINTER), container.clientWidth - POINTER);
      const y = Math.min(Math.max(at.y, POINTER), container.clientHeight - POINTER);
      node.style.translate = `${x}px ${y}px`;
      node.firstChild.style.rotate = `${Math.atan2(at.y - y, at.x - x)}rad`;
      node.dataset.severity = item.severity;
      node.title = t("hazard.far", { kind: named(`kind.${item.kind}`, item.kind.toUpperCase()) });
      node.setAttribute("aria-label", node.title);
    }
  }

  /** Forget a site's picture before another one is shown. */
  clear() {
    this.view = null;
    this.setLanes(EMPTY);
    this.drawnStops = null;
    for (const markers of [this.signals, this.rsus, this.sensors, this.signs, this.hazards]) markers.set([]);
    this.#pointAtFar();
    if (this.loaded) {
      for (const name of SOURCES) this.map.getSource(name).setData(EMPTY);
    }
  }
}

function dressSignal(node, item) {
  const known = item.state in LIGHTS;
  node.dataset.state = known ? item.state : "unknown";
  const seconds = item.remaining_s;
  const letter = named(`signal_letter.${item.state}`, "?");
  if (node.firstChild.textContent !== letter) node.firstChild.textContent = letter;
  node.lastChild.textContent = seconds === null || !known ? "–" : String(Math.max(0, Math.ceil(seconds)));
  const label = t("signal", { n: item.signal_group, state: named(`signal.${item.state}`, item.state) });
  if (node.title !== label) node.title = label;
}

function dressRsu(node, item) {
  node.dataset.health = health(item.state);
  node.title = `${item.device_id} · ${named(`device_state.${item.state}`, item.state)}`;
}

function dressSign(node, item) {
  const limit = item.speed_limit_mps === null ? null : String(Math.round(item.speed_limit_mps * 3.6));
  node.dataset.kind = limit !== null && item.code === SPEED_LIMIT ? "limit" : "text";
  const text = limit ?? (item.text || "!").slice(0, 2);
  if (node.firstChild.textContent !== text) node.firstChild.textContent = text;
  node.title = `${t("legend.sign")} ${item.sign_id} · ${[limit && `${limit} km/h`, item.text, named(`sign_source.${item.source}`, item.source)].filter(Boolean).join(" · ")}`;
}

function middleOf(ring) {
  return [0, 1].map((i) => ring.reduce((sum, point) => sum + point[i], 0) / ring.length);
}

function makeName(item, onLook) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "place";
  node.addEventListener("click", () => onLook(item.name));
  return node;
}

function dressName(node, item) {
  node.textContent = item.name;
  node.title = t("intersections.look");
}

function makeHazard(item, onSelect) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "hazard";
  node.innerHTML = `<span class="ring"></span><span class="icon">${ICONS.hazard}</span><span class="label"><b></b><small></small></span>`;
  node.addEventListener("click", (event) => {
    event.stopPropagation();
    onSelect(item.event_id);
  });
  // When this danger was first painted, for those who measure it.
  requestAnimationFrame(() => setTimeout(() => performance.mark(`hazard:${item.event_id}`)));
  return node;
}

function makePointer(id, onSelect) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "far";
  node.innerHTML = `<i></i>${ICONS.hazard}`;
  node.addEventListener("click", () => onSelect(id));
  return node;
}

function dressHazard(node, item) {
  node.dataset.severity = item.severity;
  const kind = named(`kind.${item.kind}`, item.kind.toUpperCase());
  const age = item.edgeNowMs === null ? "" : duration(item.edgeNowMs / 1000 - item.opened_utc_ns / 1e9);
  const [name, since] = node.querySelectorAll("b, small");
  if (name.textContent !== kind) name.textContent = kind;
  if (since.textContent !== age) since.textContent = age;
  node.setAttribute("aria-label", `${kind}, ${named(`severity.${item.severity}`, "")}, ${age}`);
}
