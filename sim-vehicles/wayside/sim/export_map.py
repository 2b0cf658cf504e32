"""Writes the crossing as encoded MAP messages of both families: `python -m wayside.sim.export_map`."""

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


def main(argv: list[str] | None = None) -> int:
    """Write the files; prints each. Returns 0."""
    parser = argparse.ArgumentParser(
        prog="python -m wayside.sim.export_map",
        description="Write the demo crossing as MAP messages of both families.",
        epilog="example: python -m wayside.sim.export_map --folder deploy/demo/maps",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to (default %(default)s)")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, content in map_files().items():
        path = args.folder / name
        path.write_bytes(content)
        print(f"{path}: {len(content) // 2} octets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
