from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wayside.sim import _driver as driver
from wayside.sim._effect import LEVEL, RESAMPLES, Effect
from wayside.sim.report import table


def effect_text(effects: Sequence[Effect]) -> str:
    """Effects as a table for a person."""

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100.0 * value:+.0f}"

    rows = [
        (
            f"{e.name}, {e.unit}",
            f"{e.without:.2f}",
            f"{e.with_:.2f}",
            f"{e.change:+.2f}",
            f"{e.low:+.2f} to {e.high:+.2f}",
            percent(e.share),
            "-" if e.share is None else f"{percent(e.share_low)} to {percent(e.share_high)}",
        )
        for e in effects
    ]
    of = f"{100.0 * LEVEL:.0f} % interval"
    return table(("measure", "without", "with", "change", of, "change %", of), rows)


def assumptions(connected: str, links: str) -> str:
    """What the figures rest on, from the model's own numbers. connected: share of vehicles on the link.
    links: delays of the link."""
    return "\n".join(
        (
            "What this rests on (docs/simulation.md has the sources):",
            f"- drivers: begin to brake {driver.SURPRISED_S:g} s after something surprising is in sight, "
            f"{driver.WARNED_S:g} s after a warning is",
            f"  shown, {driver.ALERTED_S:g} s after what was warned of is in sight (medians; each driver's "
            f"own factor, spread {100 * driver.SPREAD:.0f} %);",
            "  every warned driver obeys",
            f"- braking: {driver.FIRM_MPS2:g} to {driver.EMERGENCY_MPS2:g} m/s² for what is seen and for "
            f"urgent warnings, {driver.COMFORT_MPS2:g} m/s² otherwise",
            f"- {connected}",
            f"- {links}",
            "- scripted conflicts come one after the other, far more often than on a real road: a change is",
            "  the effect where such conflicts are, not how many accidents a year a site prevents",
            "- the same seeds without and with warnings meet the same arrivals; intervals: bootstrap over",
            f"  the pairs, {RESAMPLES:,} resamples",
        )
    )


_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 780, 270, 40, 34, 56


def effect_picture(effects: Sequence[Effect], title: str) -> str:
    """Change of each measure in percent with its interval, as an SVG."""
    told = [e for e in effects if e.share is not None]
    height = _TOP + _ROW * len(told) + 46
    reach = max((abs(v) for e in told for v in (e.share, e.share_low, e.share_high) if v), default=1.0)
    reach = min(max(reach, 0.2), 2.0)

    def x_of(share: float) -> float:
        half = (_WIDTH - _LEFT - _RIGHT) / 2.0
        return _LEFT + half * (1.0 + max(-1.0, min(share / reach, 1.0)))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    bottom = _TOP + _ROW * len(told)
    for tick in (-1.0, -0.5, 0.0, 0.5, 1.0):
        x = x_of(tick * reach)
        colour = "#444" if tick == 0.0 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}"/>')
        label = f"{100.0 * tick * reach:+.0f} %" if tick else "no change"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#444">{label}</text>')
    for k, e in enumerate(told):
        assert e.share is not None and e.share_low is not None and e.share_high is not None
        y = _TOP + _ROW * k + _ROW / 2
        colour = "#0a7d4f" if e.share_high < 0.0 else "#b3261e" if e.share_low > 0.0 else "#666"
        parts.append(f'<text x="{_LEFT - 32}" y="{y + 4:.1f}" text-anchor="end">{escape(e.name)}</text>')
        low, high = x_of(e.share_low), x_of(e.share_high)
        line = f'x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}"'
        parts.append(f'<line {line} stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<circle cx="{x_of(e.share):.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>')
        parts.append(
            f'<text x="{x_of(e.share):.1f}" y="{y - 9:.1f}" text-anchor="middle" fill="{colour}" '
            f'font-size="11">{100.0 * e.share:+.0f} %</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
