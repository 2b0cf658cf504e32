"""Builds the corridor's net: `python -m wayside.sim.corridor.build_net --netconvert PATH`.

Writes SUMO's plain files from the places, lanes and signal plans of the corridor, and runs netconvert twice:
the first pass numbers the links of each signal, the second takes the programs written for them.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from wayside.asn1.messages import Light
from wayside.sim._crossing import Turn
from wayside.sim._plan import SignalPlan
from wayside.sim.corridor._movements import group_of, links, walk_group
from wayside.sim.corridor._places import (
    BIKE_LANE,
    BIKE_LANE_M,
    CROSSWALK_M,
    ENDS,
    FIRST_VEHICLE_LANE,
    JUNCTION_OF,
    JUNCTIONS,
    SIDEWALK_LANE,
    SIDEWALK_M,
    VEHICLE_LANE_M,
    Leg,
    edge_id,
)

NET_FILE = Path(__file__).with_name("haihe.net.xml")
HASH_FILE = Path(__file__).with_name("haihe.inputs.sha256")
_OPTIONS = (
    "--offset.disable-normalization=true",
    "--no-turnarounds=true",
    "--junctions.corner-detail=8",
    "--precision=3",
    "--walkingareas=true",
    "--no-warnings=true",
)
_MOTOR = "passenger truck bus emergency"
_STEPS = ((Light.YELLOW, SignalPlan.YELLOW_S), (Light.RED, SignalPlan.ALL_RED_S))


def plain_files() -> dict[str, str]:
    """Name → content of SUMO's plain files: nodes, edges, connections with crossings."""
    nodes, edges, connections = ET.Element("nodes"), ET.Element("edges"), ET.Element("connections")
    for junction in JUNCTIONS:
        _node(nodes, junction.node, junction.x_m, junction.y_m, "traffic_light").set("radius", "9.0")
        for side, leg in junction.legs.items():
            _edge(edges, leg.other, junction.node, leg)
            if leg.other not in JUNCTION_OF:
                _edge(edges, junction.node, leg.other, leg)
            into, out = edge_id(leg.other, junction.node), edge_id(junction.node, leg.other)
            for link in links(junction):
                if link.side is side:
                    target = edge_id(junction.node, junction.legs[link.out_side].other)
                    ET.SubElement(
                        connections,
                        "connection",
                        {
                            "from": into,
                            "to": target,
                            "fromLane": f"{link.from_lane}",
                            "toLane": f"{link.to_lane}",
                        },
                    )
            ET.SubElement(
                connections,
                "crossing",
                {
                    "node": junction.node,
                    "edges": f"{into} {out}",
                    "priority": "true",
                    "width": f"{CROSSWALK_M}",
                },
            )
    for end in ENDS:
        _node(nodes, end.node, end.x_m, end.y_m, "priority")
    return {
        "corridor.nod.xml": _text(nodes),
        "corridor.edg.xml": _text(edges),
        "corridor.con.xml": _text(connections),
    }


def programs(numbered: ET.Element) -> str:
    """Signal programs for a net whose links are numbered: state of every link in every phase of the plans."""
    root = ET.Element("tlLogics")
    for junction in JUNCTIONS:
        crossing_of = {
            edge.get("id", ""): next(
                side
                for side, leg in junction.legs.items()
                if edge_id(leg.other, junction.node) in edge.get("crossingEdges", "").split()
            )
            for edge in numbered.findall("edge")
            if edge.get("function") == "crossing" and edge.get("id", "").startswith(f":{junction.node}_")
        }
        side_of = {edge_id(leg.other, junction.node): side for side, leg in junction.legs.items()}
        turn_of = {
            (
                edge_id(junction.legs[link.side].other, junction.node),
                edge_id(junction.node, junction.legs[link.out_side].other),
            ): link.turn
            for link in links(junction)
        }
        movements: dict[int, tuple[int, Turn | None]] = {}
        for connection in numbered.findall("connection"):
            if connection.get("tl") != junction.node:
                continue
            index, into = int(connection.get("linkIndex", "")), connection.get("from", "")
            out = connection.get("to", "")
            if into in side_of:
                turn = turn_of[into, out]
                movements[index] = group_of(side_of[into], turn), turn
            else:
                side = crossing_of[out if out in crossing_of else into]
                movements[index] = walk_group(junction, side), None
        logic = ET.SubElement(
            root,
            "tlLogic",
            # SUMO begins a program at -offset; the plan is offset_s into its cycle at time 0.
            {
                "id": junction.node,
                "type": "static",
                "programID": "0",
                "offset": f"{-junction.plan.offset_s:g}",
            },
        )
        for state, duration_s in phases(junction.plan, [movements[i] for i in range(len(movements))]):
            ET.SubElement(logic, "phase", {"duration": f"{duration_s:g}", "state": state})
    return _text(root)


def phases(plan: SignalPlan, movements: list[tuple[int, Turn | None]]) -> list[tuple[str, float]]:
    """States of all links and their durations over one cycle. movements: group of each link and its turn,
    None for people on foot. Who turns gives way on green: those on foot, and oncoming traffic where the green
    is permissive."""
    out: list[tuple[str, float]] = []
    for phase in plan.phases:
        parts = (
            [(phase.walk_s, True), (phase.green_s - phase.walk_s, False)]
            if phase.walk_s
            else [(phase.green_s, False)]
        )
        for duration_s, walking in parts:
            out.append(("".join(_green(g, t, phase.groups, walking) for g, t in movements), duration_s))
        for light, duration_s in _STEPS:
            yellow = light is Light.YELLOW
            letters = ["y" if yellow and t is not None and g in phase.groups else "r" for g, t in movements]
            out.append(("".join(letters), duration_s))
    return out


def _green(group: int, turn: Turn | None, groups: tuple[int, ...], walking: bool) -> str:
    if group not in groups or (turn is None and not walking):
        return "r"
    return "g" if turn in (Turn.LEFT, Turn.RIGHT) else "G"


def inputs_hash() -> str:
    """SHA-256 over everything that the net is made of: plain files, plans and netconvert's options."""
    digest = hashlib.sha256()
    for name, text in sorted(plain_files().items()):
        digest.update(f"{name}\n{text}\n".encode())
    for junction in JUNCTIONS:
        digest.update(f"{junction.node} {junction.plan.offset_s} {junction.plan.phases}\n".encode())
    digest.update(" ".join(_OPTIONS).encode())
    return digest.hexdigest()


def build(netconvert: str) -> str:
    """Text of the net. netconvert: path of SUMO's program. Raises CalledProcessError when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in plain_files().items():
            Path(folder, name).write_text(text)
        first = _run(netconvert, folder, ())
        Path(folder, "corridor.tll.xml").write_text(programs(ET.fromstring(first)))
        # What netconvert says of itself (date, version, command) is no part of the net.
        return re.sub(
            r"<!--.*?-->\s*", "", _run(netconvert, folder, ("--tllogic-files=corridor.tll.xml",)), flags=re.S
        )


def _run(netconvert: str, folder: str, more: tuple[str, ...]) -> str:
    words = [
        netconvert,
        "--node-files=corridor.nod.xml",
        "--edge-files=corridor.edg.xml",
        "--connection-files=corridor.con.xml",
        "--output-file=out.net.xml",
        *_OPTIONS,
        *more,
    ]
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return Path(folder, "out.net.xml").read_text()


def _node(root: ET.Element, name: str, x_m: float, y_m: float, kind: str) -> ET.Element:
    return ET.SubElement(root, "node", {"id": name, "x": f"{x_m:.3f}", "y": f"{y_m:.3f}", "type": kind})


def _edge(root: ET.Element, from_node: str, to_node: str, leg: Leg) -> None:
    edge = ET.SubElement(
        root,
        "edge",
        {
            "id": edge_id(from_node, to_node),
            "from": from_node,
            "to": to_node,
            "numLanes": f"{FIRST_VEHICLE_LANE + leg.lanes}",
            "speed": f"{leg.limit_mps:.3f}",
            "name": leg.road,
        },
    )
    lanes = [("pedestrian", SIDEWALK_M), ("bicycle", BIKE_LANE_M), *[(_MOTOR, VEHICLE_LANE_M)] * leg.lanes]
    assert SIDEWALK_LANE < BIKE_LANE < FIRST_VEHICLE_LANE
    for index, (allow, width_m) in enumerate(lanes):
        ET.SubElement(edge, "lane", {"index": f"{index}", "allow": allow, "width": f"{width_m}"})


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write the net and the hash of its inputs; returns 0."""
    parser = argparse.ArgumentParser(
        prog="python -m wayside.sim.corridor.build_net",
        description="Build the corridor's net with SUMO's netconvert.",
        epilog="example: python -m wayside.sim.corridor.build_net --netconvert /opt/sumo/bin/netconvert",
    )
    parser.add_argument("--netconvert", default="netconvert", help="the program (default: from PATH)")
    parser.add_argument("--out", type=Path, default=NET_FILE, help="where to (default: beside this module)")
    args = parser.parse_args(argv)
    text = build(args.netconvert)
    args.out.write_text(text)
    args.out.with_name(HASH_FILE.name).write_text(inputs_hash() + "\n")
    print(f"{args.out}: {len(text)} octets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
