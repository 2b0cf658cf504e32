"""Writes roads as encoded MAP messages of both families: `python -m wayside.sim.export_map [--corridor]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wayside.asn1 import load
from wayside.asn1.messages import RoadMap
from wayside.asn1.translate import CSAE53_2020, J2735_2024, to_wire
from wayside.sim._crossing import Crossing
from wayside.sim._road_map import csae_map, j2735_map

FOLDER = Path("deploy/demo/maps")
CORRIDOR_FOLDER = Path("deploy/corridor/maps")


def encoded(dialect: str, message: RoadMap) -> bytes:
    """Octets of a MAP in a dialect. Raises ValueError when the dialect cannot say all of it."""
    wire = to_wire(dialect, message)
    lost = [note for note in wire.lost if not note.endswith((".approach", ".revision: 1"))]
    if lost:
        raise ValueError(f"{dialect} loses {lost}")
    return load(dialect).encode(wire.value)


def map_files() -> dict[str, bytes]:
    """File name → content: for each family its octets, as lower-case hex with a final newline."""
    crossing = Crossing()
    maps = {J2735_2024: j2735_map(crossing), CSAE53_2020: csae_map(crossing)}
    return {
        f"haihe-{dialect}.hex": encoded(dialect, message).hex().encode() + b"\n"
        for dialect, message in maps.items()
    }


def corridor_map_files() -> dict[str, bytes]:
    """As `map_files` for the corridor: a line for each crossing's message."""
    from wayside.sim.corridor import csae_maps, j2735_maps

    maps = {J2735_2024: j2735_maps(), CSAE53_2020: csae_maps()}
    return {
        f"tongyan-{dialect}.hex": b"".join(encoded(dialect, m).hex().encode() + b"\n" for m in messages)
        for dialect, messages in maps.items()
    }


def main(argv: list[str] | None = None) -> int:
    """Write the files; prints each. Returns 0."""
    parser = argparse.ArgumentParser(
        prog="python -m wayside.sim.export_map",
        description="Write the single crossing, or the corridor, as MAP messages of both families.",
        epilog="example: python -m wayside.sim.export_map --corridor",
    )
    parser.add_argument("--corridor", action="store_true", help="the corridor instead of the single crossing")
    parser.add_argument("--folder", type=Path, help=f"where to (default {FOLDER} or {CORRIDOR_FOLDER})")
    args = parser.parse_args(argv)
    folder = args.folder or (CORRIDOR_FOLDER if args.corridor else FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (corridor_map_files() if args.corridor else map_files()).items():
        path = folder / name
        path.write_bytes(content)
        octets = [len(line) // 2 for line in content.split()]
        print(f"{path}: {' + '.join(map(str, octets))} octets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
