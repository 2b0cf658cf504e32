// Which page is shown, and with which filters: all of it in the address, so that it can be shared.

export const PAGES = ["corridor", "devices", "events", "performance", "operations"];

/** The page and filters that the address names. */
export function readRoute() {
  const words = new URLSearchParams(location.search);
  const page = PAGES.includes(words.get("page")) ? words.get("page") : "corridor";
  const filters = Object.fromEntries([...words].filter(([name]) => !["page", "site"].includes(name)));
  return { page, site: words.get("site"), filters };
}

/** The address of a page with filters; empty ones are left out. */
export function addressOf({ page, site, filters }) {
  const words = new URLSearchParams();
  if (site) words.set("site", site);
  if (page !== "corridor") words.set("page", page);
  for (const [name, value] of Object.entries(filters ?? {})) {
    if (value !== null && value !== undefined && value !== "") words.set(name, value);
  }
  return `?${words}`;
}

/** Show a route in the address; `replace` leaves no step to go back to. */
export function writeRoute(route, replace = false) {
  const address = addressOf(route);
  if (address === location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}
