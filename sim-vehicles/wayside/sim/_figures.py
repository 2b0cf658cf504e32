from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import msgspec

from wayside.observe import LatencySummary
from wayside.sim._children import ChildError

_ASK_S = 10.0


class EdgeRecords(msgspec.Struct, frozen=True):
    """Records of the edge's outbox: committed in this run, and not yet taken by the centre."""

    committed: int
    waiting: int


class EdgeFigures(msgspec.Struct, frozen=True):
    """What the edge says of its run when it ends."""

    site: str
    records: EdgeRecords
    counts: dict[str, dict[str, int]]
    dropped: dict[str, dict[str, int]]
    latency: dict[str, LatencySummary]


class CentreFigures(msgspec.Struct, frozen=True):
    """What the centre has and counted. stored: site → class of record → how many `kept`."""

    stored: dict[str, dict[str, dict[str, int]]]
    dropped: dict[str, dict[str, int]]

    def kept(self, site: str) -> int:
        """Distinct records of a site."""
        return sum(numbers["kept"] for numbers in self.stored.get(site, {}).values())


def edge_figures(output: bytes) -> EdgeFigures:
    """The figures in the edge's last line of output. Raises ChildError when there are none."""
    lines = output.strip().splitlines()
    try:
        return msgspec.convert(json.loads(lines[-1]), EdgeFigures)
    except (IndexError, ValueError, msgspec.ValidationError) as error:
        raise ChildError(f"the edge told no figures when it ended: {error}") from None


async def centre_figures(url: str) -> CentreFigures:
    """Ask the centre. Raises ChildError when it does not answer."""
    try:
        async with httpx.AsyncClient(timeout=_ASK_S, trust_env=False) as client:
            answer = await client.get(f"{url}/api/stats")
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=CentreFigures)
    except (httpx.HTTPError, msgspec.DecodeError) as error:
        raise ChildError(f"the centre did not answer: {error!r}") from None


def merged(sources: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Sum of several counts stage → reason → number; zeros are left out."""
    out: dict[str, dict[str, int]] = {}
    for source in sources:
        for stage, reasons in source.items():
            for reason, number in reasons.items():
                if number:
                    into = out.setdefault(stage, {})
                    into[reason] = into.get(reason, 0) + number
    return out


async def settled(url: str, site: str, wanted: int, tries: int = 20) -> CentreFigures:
    """The centre's figures once it has `wanted` records of a site, or after two seconds as they are."""
    figures = await centre_figures(url)
    for _ in range(tries):
        if figures.kept(site) >= wanted:
            break
        await asyncio.sleep(0.1)
        figures = await centre_figures(url)
    return figures


def summary_of(latency: Mapping[str, Any], name: str) -> LatencySummary:
    """One named distribution, empty when it is missing."""
    found = latency.get(name)
    return found if isinstance(found, LatencySummary) else LatencySummary(0, 0.0, 0.0, 0.0)
