// How a device's state is to be taken.

const GOOD = new Set(["online", "ok"]);
const FAIR = new Set([
  "discovered", "pending_approval", "registered", "connecting", "degraded", "upgrading", "awaited", "late",
]);

/** `good`, `fair` or `bad`; a state that is not known is bad until someone says otherwise. */
export function health(state) {
  if (GOOD.has(state)) return "good";
  return FAIR.has(state) ? "fair" : "bad";
}
