from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wayside.geo import Polyline
from wayside.sim._participants import Way
from wayside.sim.corridor._places import SIDEWALK_LANE

NET_FILE = Path(__file__).with_name("haihe.net.xml")


class NetLane(NamedTuple):
    """A lane of the net, on a road or over a crossing. number: from the kerb. line: its centre, the way one
    drives."""

    id: str
    edge: str
    number: int
    line: Polyline
    width_m: float
    limit_mps: float


class NetLink(NamedTuple):
    """A way from the end of a lane to the start of another. via: lanes over the crossing between them, in
    order. signal, signal_index: which light of which program governs it, "" for none."""

    from_lane: str
    to_lane: str
    via: tuple[str, ...]
    signal: str
    signal_index: int


class NetCrossing(NamedTuple):
    """A crosswalk. edges: of the road that it crosses. line: from the kerb of the traffic that arrives to the
    other."""

    id: str
    node: str
    edges: frozenset[str]
    line: Polyline
    width_m: float


class Net:
    """The corridor's net as netconvert made it; positions come from here, metres on the corridor's plane.

    nodes: middle of each crossing and rim.
    """

    def __init__(self, text: str) -> None:
        root = ET.fromstring(text)
        self.lanes: dict[str, NetLane] = {}
        self.crossings: dict[str, NetCrossing] = {}
        self.nodes: dict[str, tuple[float, float]] = {
            j.get("id", ""): (float(j.get("x", "")), float(j.get("y", "")))
            for j in root.findall("junction")
            if j.get("type") != "internal"
        }
        crossing: list[tuple[ET.Element, NetLane]] = []
        for edge in root.findall("edge"):
            name, function = edge.get("id", ""), edge.get("function", "")
            for element in edge.findall("lane"):
                lane = _lane(name, element)
                if function == "crossing":
                    crossing.append((edge, lane))
                elif function != "walkingarea":
                    self.lanes[lane.id] = lane
        for edge, lane in crossing:
            self._add_crossing(edge, lane)
        self._links: dict[str, list[NetLink]] = {}
        raw: dict[str, list[ET.Element]] = {}
        for connection in root.findall("connection"):
            raw.setdefault(f"{connection.get('from')}_{connection.get('fromLane')}", []).append(connection)
        for lane_id, connections in raw.items():
            if lane_id in self.lanes:
                for connection in connections:
                    target = f"{connection.get('to')}_{connection.get('toLane')}"
                    if target in self.lanes:
                        self._links.setdefault(lane_id, []).append(
                            NetLink(
                                lane_id,
                                target,
                                _vias(connection, raw),
                                connection.get("tl", ""),
                                int(connection.get("linkIndex", "-1")),
                            )
                        )
        self._ways: dict[tuple[str, str], Way] = {}

    def links_from(self, lane: str) -> list[NetLink]:
        """Ways out of a lane."""
        return self._links.get(lane, [])

    def link(self, lane: str, to_edge: str) -> NetLink | None:
        """Way from a lane to an edge; None when one must change lanes first."""
        return next((k for k in self.links_from(lane) if self.lanes[k.to_lane].edge == to_edge), None)

    def way(self, lane: str, to_edge: str) -> Way:
        """Line from the start of a lane, over the crossing where it leads to `to_edge`, along the lane there.

        A lane over a crossing goes on to where it ends. Without a way on ("", or only from another lane) the
        line is the lane alone.
        """
        known = self._ways.get((lane, to_edge))
        if known is None:
            names = [lane]
            link = (
                next(iter(self.links_from(lane)), None) if lane.startswith(":") else self.link(lane, to_edge)
            )
            if link is not None:
                names += [*link.via, link.to_lane]
            known = self._ways[lane, to_edge] = self.along(names)
        return known

    def along(self, lanes: list[str]) -> Way:
        """Line along lanes, one behind the other."""
        return Way(Polyline(np.vstack([self.lanes[name].line.points for name in lanes])))

    def _add_crossing(self, edge: ET.Element, lane: NetLane) -> None:
        name, edges = lane.edge, frozenset(edge.get("crossingEdges", "").split())
        node = name[1:].split("_")[0]
        line = lane.line
        arriving = next(e for e in edges if e.endswith(f"-{node}"))
        kerb = self.lanes[f"{arriving}_{SIDEWALK_LANE}"].line
        near = np.hypot(*(line.points[0] - kerb.points[-1])), np.hypot(*(line.points[-1] - kerb.points[-1]))
        if near[0] > near[1]:
            line = line.reversed()
        self.crossings[name] = NetCrossing(name, node, edges, line, lane.width_m)


@cache
def corridor_net() -> Net:
    """The committed net."""
    return Net(NET_FILE.read_text())


def _lane(edge: str, element: ET.Element) -> NetLane:
    points = [tuple(map(float, p.split(",")[:2])) for p in element.get("shape", "").split()]
    return NetLane(
        element.get("id", ""),
        edge,
        int(element.get("index", "")),
        Polyline(np.array(points)),
        float(element.get("width", "3.2")),
        float(element.get("speed", "")),
    )


def _vias(connection: ET.Element, raw: dict[str, list[ET.Element]]) -> tuple[str, ...]:
    """Lanes over a crossing: some are cut in two where one waits for a gap."""
    out: list[str] = []
    via = connection.get("via")
    while via is not None:
        out.append(via)
        via = next((c.get("via") for c in raw.get(via, ())), None)
    return tuple(out)
