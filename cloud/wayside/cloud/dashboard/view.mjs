// What all panels and pages are made with: markup, names of codes, values, moments.

import { h } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";
import { named, t } from "./text.mjs";

export const html = htm.bind(h);
export const STAGES = ["ingested", "fused", "decided", "selected", "written", "received", "called"];
// The kinds of event there are, in the order of a list.
export const KINDS = ["vrucw", "icw", "lta", "rlvw", "evw", "hlw", "tjw", "slw", "ivs"];

export const kindName = (kind) => named(`kind.${kind}`, kind.toUpperCase());
export const severityName = (severity) => named(`severity.${severity}`, String(severity));
export const stageName = (stage) => named(`stage.${stage}`, stage);

/** A value of evidence or detail as text. */
export function plain(value) {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toPrecision(3);
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/** Time of day of an instant, with the date when it is not today. */
export function moment(utcNs) {
  if (utcNs === null || utcNs === undefined) return "–";
  const date = new Date(utcNs / 1e6);
  if (Number.isNaN(date.getTime())) return "–";
  const locale = document.documentElement.lang;
  const time = date.toLocaleTimeString(locale, { hour12: false });
  const today = date.toDateString() === new Date().toDateString();
  return today ? time : `${date.toLocaleDateString(locale)} ${time}`;
}

/** A list or table that has nothing to show, or could not be fetched. */
export function Nothing({ loaded, text }) {
  return html`<p class="calm">${loaded === undefined ? t("page.loading") : loaded === null ? t("page.failed") : text}</p>`;
}
