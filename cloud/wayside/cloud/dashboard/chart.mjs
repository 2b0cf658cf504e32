// Series over time, drawn by uPlot; told apart by dashes as well as by colour.

import { Component } from "./vendor/preact.mjs";
import uPlot from "./vendor/uPlot.mjs";
import { html } from "./view.mjs";
import { t } from "./text.mjs";

const COLOURS = ["#3987e5", "#e69f00", "#16a085", "#d55e9c", "#8a63d2", "#c0563a", "#5b8c2a", "#7a8794"];
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 4], [1, 4], [5, 2, 1, 2], [3, 6]];
export const MOST_LINES = COLOURS.length;

// Edges tell a window every so often: steps without one between two that have one are no gap, a longer silence is.
const BRIDGED_S = 90;
const BRIDGED_STEPS = 2;

/** The values with short runs of nothing bridged; uPlot joins over `undefined` and breaks at null. */
export function bridged(values, at) {
  const out = [...values];
  let since = null;
  out.forEach((value, n) => {
    if (value === null) return;
    const near = since !== null && (n - since <= BRIDGED_STEPS || at[n] - at[since] <= BRIDGED_S);
    if (near) out.fill(undefined, since + 1, n);
    since = n;
  });
  return out;
}

function timeLabels(_, seconds, __, ___, step) {
  const locale = document.documentElement.lang;
  return seconds.map((at) => {
    const date = new Date(at * 1000);
    if (step >= 86400) return date.toLocaleDateString(locale, { month: "short", day: "numeric" });
    return date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", hour12: false });
  });
}

function optionsOf({ lines, unit, width, height }) {
  const style = getComputedStyle(document.documentElement);
  const axis = { stroke: style.getPropertyValue("--soft").trim(), grid: { stroke: style.getPropertyValue("--line").trim(), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const value = (_, number) => (number === null || number === undefined ? "–" : `${number < 10 && !Number.isInteger(number) ? number.toFixed(2) : Math.round(number)}${unit ? ` ${unit}` : ""}`);
  return {
    width, height,
    cursor: { y: false },
    legend: { live: true },
    scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.08, 1)] } },
    axes: [{ ...axis, values: timeLabels }, { ...axis, size: 56 }],
    series: [
      { label: t("chart.time"), value: (_, at) => (at === null ? "–" : new Date(at * 1000).toLocaleTimeString(document.documentElement.lang, { hour12: false })) },
      ...lines.map((line, n) => ({ label: line.label, stroke: COLOURS[n % COLOURS.length], dash: DASHES[n % DASHES.length], width: 1.8, points: { show: false }, spanGaps: false, value })),
    ],
  };
}

/** One chart. `at`: seconds of UTC; `lines`: {label, values}, values null where there are none. */
export class Chart extends Component {
  componentDidMount() {
    this.observer = new ResizeObserver(() => this.plot?.setSize({ width: this.node.clientWidth, height: this.props.height ?? 220 }));
    this.observer.observe(this.node);
    this.#draw();
  }

  componentDidUpdate() {
    this.#draw();
  }

  componentWillUnmount() {
    this.observer.disconnect();
    this.plot?.destroy();
  }

  shouldComponentUpdate(next) {
    return this.#keyOf(next) !== this.drawn;
  }

  #keyOf({ at, lines, theme, language }) {
    return JSON.stringify([at[0], at.length, theme, language, lines.map((line) => [line.label, line.values])]);
  }

  #draw() {
    const { at, lines, unit, height = 220 } = this.props;
    this.drawn = this.#keyOf(this.props);
    this.plot?.destroy();
    this.plot = new uPlot(optionsOf({ lines, unit, width: this.node.clientWidth, height }), [at, ...lines.map((line) => bridged(line.values, at))], this.node);
  }

  render({ label }) {
    return html`<div class="chart" role="img" aria-label=${label} ref=${(node) => (this.node = node ?? this.node)}></div>`;
  }
}
