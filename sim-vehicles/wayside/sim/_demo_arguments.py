from __future__ import annotations

import argparse
from pathlib import Path

from wayside.sim._roads import DEFAULT_ROAD, ROADS

OUT = Path("var/demo")
DASHBOARD_PORT = 8080


def _vehicles(text: str) -> int:
    number = int(text)
    if not 30 <= number <= 300:
        raise argparse.ArgumentTypeError("30 to 300")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the demo's arguments."""
    parser.add_argument("--duration", type=float, metavar="S", help="end after S seconds (default: Ctrl-C)")
    parser.add_argument("--seed", type=int, default=1, help="of traffic, sensors and drivers (default 1)")
    parser.add_argument(
        "--road", choices=tuple(ROADS), default=DEFAULT_ROAD, help="which road (default %(default)s)"
    )
    parser.add_argument("--site", type=Path, help="site file (default: the road's)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the run (default %(default)s)")
    parser.add_argument(
        "--port", type=int, default=DASHBOARD_PORT, help="dashboard's port, 0 for any (default %(default)s)"
    )
    parser.add_argument(
        "--any-ports", action="store_true", help="let the system choose all other ports too, as tests do"
    )
    parser.add_argument(
        "--vehicles",
        type=_vehicles,
        metavar="N",
        help="about so many on the link at once, 30 to 300 (default: what two cores carry; corridor only)",
    )
    parser.add_argument(
        "--kafka", metavar="HOST:PORT", help="edge and centre meet by this Kafka (default: by HTTP)"
    )
    parser.add_argument(
        "--own-broker", action="store_true", help="the project's own MQTT broker, also where mosquitto is"
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="seeds of the comparison (default: rounds played, at most 3)"
    )
