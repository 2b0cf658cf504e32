// The live channel to the centre, and how old its data is.

const STALE_MS = 2000;
const SILENT_MS = 5000;
const WINDOW_MS = 30000;

/**
 * Age of the data on this computer's clock, whatever the edge's clock says: the quickest message of the last
 * minute shows the difference of the two clocks, a later one is late by what it takes longer.
 */
export class AgeMeter {
  constructor(now = () => performance.now()) {
    this.now = now;
    this.reset();
  }

  reset() {
    this.utcMs = null;
    this.best = [Infinity, Infinity];
    this.windowFrom = this.now();
  }

  /** A view of the edge's instant `utcMs`, which the centre had held for `heldMs`. */
  saw(utcMs, heldMs) {
    const now = this.now();
    if (now - this.windowFrom > WINDOW_MS) {
      this.best = [Infinity, this.best[0]];
      this.windowFrom = now;
    }
    this.best[0] = Math.min(this.best[0], now - utcMs - heldMs);
    this.utcMs = utcMs;
  }

  /** Milliseconds since what is shown was true; null before the first view. */
  ageMs() {
    if (this.utcMs === null) return null;
    return Math.max(0, this.now() - this.utcMs - Math.min(...this.best));
  }

  /** The edge's time now, milliseconds of UTC; null before the first view. */
  edgeNowMs() {
    return this.utcMs === null ? null : this.utcMs + this.ageMs();
  }
}

/**
 * Keeps one WebSocket open and hands its messages to `onMessage`; reconnects with growing, jittered pauses.
 * `site()` says which site it asks for, null for all.
 */
export class Feed {
  constructor(onMessage, site) {
    this.onMessage = onMessage;
    this.site = site;
    this.connected = false;
    this.tried = false;
    this.attempts = 0;
    this.heardAt = performance.now();
    setInterval(() => this.#watch(), 1000);
    this.#open();
  }

  #open() {
    const address = new URL("/api/live", location.href);
    if (this.site() !== null) address.searchParams.set("site", this.site());
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.socket = socket;
    this.heardAt = performance.now();
    socket.onopen = () => {
      this.connected = true;
      this.tried = true;
      this.attempts = 0;
    };
    socket.onmessage = (event) => {
      this.heardAt = performance.now();
      this.onMessage(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.connected = false;
      this.tried = true;
      const bound = Math.min(8000, 300 * 2 ** this.attempts++);
      setTimeout(() => this.#open(), 100 + Math.random() * bound);
    };
  }

  // The centre speaks at least once a second; a connection that is silent is dead, whatever the browser says.
  #watch() {
    if (this.connected && performance.now() - this.heardAt > SILENT_MS) this.socket.close();
  }
}

/** What the page may claim: live, stale, waiting (no data of this site), connecting, offline. */
export function connectionState(feed, ageMs) {
  if (!feed.tried) return "connecting";
  if (!feed.connected) return "offline";
  if (ageMs === null) return "waiting";
  return ageMs > STALE_MS ? "stale" : "live";
}
