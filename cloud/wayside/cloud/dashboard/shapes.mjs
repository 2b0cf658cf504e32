// Geometry of what the map draws, from lanes and participants to GeoJSON.

const M_PER_DEG = 111195;
const SMALL = new Set(["bicycle", "motorcycle", "cyclist"]);
const LARGE = new Set(["truck", "bus"]);

/** Group a participant is drawn as: pedestrian, cyclist, large, car. */
export function groupOf(kind) {
  if (kind === "pedestrian") return "pedestrian";
  if (SMALL.has(kind)) return "cyclist";
  return LARGE.has(kind) ? "large" : "car";
}

/** Pixels of a metre at a zoom and latitude (512-pixel world of MapLibre). */
export function pixelsPerMetre(zoom, latDeg) {
  return (512 * 2 ** zoom) / (40075016.686 * Math.cos((latDeg * Math.PI) / 180));
}

function mover(lat, lon, headingDeg) {
  const yaw = (headingDeg * Math.PI) / 180;
  const east = 1 / (M_PER_DEG * Math.cos((lat * Math.PI) / 180));
  const [sin, cos] = [Math.sin(yaw), Math.cos(yaw)];
  return (ahead, right) => [
    lon + (ahead * sin + right * cos) * east,
    lat + (ahead * cos - right * sin) / M_PER_DEG,
  ];
}

const OUTLINES = {
  // Share of half length ahead, share of half width to the right; the nose tapers.
  car: [[-1, -0.92], [-0.94, -1], [0.55, -1], [0.9, -0.8], [1, -0.45], [1, 0.45], [0.9, 0.8], [0.55, 1], [-0.94, 1], [-1, 0.92]],
  large: [[-1, -1], [0.82, -1], [1, -0.7], [1, 0.7], [0.82, 1], [-1, 1]],
  cyclist: [[1.15, 0], [-0.85, 1], [-0.5, 0], [-0.85, -1]],
};

/** Participants as GeoJSON: oriented outlines for vehicles and two-wheelers, points for pedestrians. */
export function participantFeatures(participants, zoom) {
  return participants.map((p) => {
    const group = groupOf(p.kind);
    const properties = { id: p.track_id, group, connected: p.connected === true };
    if (group === "pedestrian") {
      return { type: "Feature", properties, geometry: { type: "Point", coordinates: [p.lon_deg, p.lat_deg] } };
    }
    const least = (group === "cyclist" ? 11 : 12) / pixelsPerMetre(zoom, p.lat_deg);
    const length = Math.max(p.length_m || 0, group === "cyclist" ? 2.4 : 3.5, least);
    const width = Math.max(p.width_m || 0, group === "cyclist" ? 1.5 : 1.5, least * (group === "cyclist" ? 0.62 : 0.42));
    const at = mover(p.lat_deg, p.lon_deg, p.heading_deg || 0);
    const ring = OUTLINES[group].map(([ahead, right]) => at((ahead * length) / 2, (right * width) / 2));
    ring.push(ring[0]);
    return { type: "Feature", properties, geometry: { type: "Polygon", coordinates: [ring] } };
  });
}

/** The lanes that can be drawn, whatever the site has sent. */
export function cleanLanes(collection) {
  const inside = (value, limit) => typeof value === "number" && Math.abs(value) <= limit;
  const onEarth = (point) => Array.isArray(point) && inside(point[0], 180) && inside(point[1], 85);
  const features = Array.isArray(collection?.features) ? collection.features : [];
  return features.filter(
    (f) =>
      f?.geometry?.type === "LineString" &&
      Array.isArray(f.geometry.coordinates) &&
      f.geometry.coordinates.length > 1 &&
      f.geometry.coordinates.every(onEarth),
  ).map((f) => ({
    type: "Feature",
    properties: {
      lane: String(f.properties?.lane ?? ""),
      kind: String(f.properties?.kind ?? "vehicle"),
      direction: String(f.properties?.direction ?? "none"),
      width_m: Number.isFinite(f.properties?.width_m) ? f.properties.width_m : 3.25,
    },
    geometry: { type: "LineString", coordinates: f.geometry.coordinates.map((c) => [c[0], c[1]]) },
  }));
}

function headingOf([lon1, lat1], [lon2, lat2]) {
  const east = (lon2 - lon1) * Math.cos((lat1 * Math.PI) / 180);
  return (Math.atan2(east, lat2 - lat1) * 180) / Math.PI;
}

/** Stop line of each inbound lane that a signal may govern: lane → {ends, at, heading}. */
export function stopLines(lanes) {
  const lines = new Map();
  for (const lane of lanes) {
    const { kind, direction, width_m } = lane.properties;
    if (kind !== "vehicle" || direction !== "ingress") continue;
    const points = lane.geometry.coordinates;
    const [before, end] = points.slice(-2);
    const heading = headingOf(before, end);
    const at = mover(end[1], end[0], heading);
    lines.set(lane.properties.lane, {
      ends: [at(-0.4, -width_m / 2 + 0.25), at(-0.4, width_m / 2 - 0.25)],
      label: at(-5, 0),
      heading,
    });
  }
  return lines;
}

/** The paved middle of each intersection: hull of the inner ends of its vehicle lanes. */
export function junctions(lanes) {
  const corners = new Map();
  for (const lane of lanes) {
    const { kind, direction, width_m, lane: name } = lane.properties;
    if (kind !== "vehicle" || !["ingress", "egress"].includes(direction)) continue;
    const points = lane.geometry.coordinates;
    const [from, to] = direction === "ingress" ? points.slice(-2) : points.slice(0, 2);
    const end = direction === "ingress" ? to : from;
    const at = mover(end[1], end[0], headingOf(from, to));
    const group = intersectionOf(name);
    const list = corners.get(group) ?? [];
    list.push(at(0, width_m / 2 + 0.3), at(0, -width_m / 2 - 0.3));
    corners.set(group, list);
  }
  return [...corners].filter(([, list]) => list.length > 4).map(([intersection, list]) => {
    const ring = hull(list);
    return { type: "Feature", properties: { intersection }, geometry: { type: "Polygon", coordinates: [[...ring, ring[0]]] } };
  });
}

/** Name of the intersection that a lane leads to or from: the last part before the lane's number. */
export function intersectionOf(lane) {
  return lane.split("/")[0].split(">").at(-1);
}

/** The last `lengthM` metres of a lane before a place on it: where a jam stands. */
export function stretchBefore(points, [lon, lat], lengthM) {
  const east = M_PER_DEG * Math.cos((lat * Math.PI) / 180);
  const flat = points.map((p) => [(p[0] - lon) * east, (p[1] - lat) * M_PER_DEG]);
  let best = { distance: Infinity, n: 0, part: 0 };
  for (let n = 0; n + 1 < flat.length; n += 1) {
    const [[ax, ay], [bx, by]] = [flat[n], flat[n + 1]];
    const [dx, dy] = [bx - ax, by - ay];
    const part = Math.min(1, Math.max(0, -(ax * dx + ay * dy) / (dx * dx + dy * dy || 1)));
    const distance = Math.hypot(ax + part * dx, ay + part * dy);
    if (distance < best.distance) best = { distance, n, part };
  }
  const between = (a, b, part) => [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part];
  const out = [between(points[best.n], points[best.n + 1], best.part)];
  let left = lengthM;
  let head = between(flat[best.n], flat[best.n + 1], best.part);
  for (let n = best.n; n >= 0 && left > 0; n -= 1) {
    const step = Math.hypot(head[0] - flat[n][0], head[1] - flat[n][1]);
    const part = step > left ? left / step : 1;
    out.unshift(between(out[0], points[n], part));
    head = flat[n];
    left -= step;
  }
  return out;
}

function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const turn = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const half = (list) => {
    const out = [];
    for (const p of list) {
      while (out.length > 1 && turn(out.at(-2), out.at(-1), p) <= 0) out.pop();
      out.push(p);
    }
    return out.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

/** South-west and north-east corner of points [lon, lat] with `marginM` metres around; null without points. */
export function boundsOf(points, marginM = 0) {
  if (!points.length) return null;
  const lons = points.map((p) => p[0]);
  const lats = points.map((p) => p[1]);
  const [south, north] = [Math.min(...lats), Math.max(...lats)];
  const up = marginM / M_PER_DEG;
  const right = up / Math.cos((south * Math.PI) / 180);
  return [[Math.min(...lons) - right, south - up], [Math.max(...lons) + right, north + up]];
}
