"""Broker and edge are killed in mid-stream, again and again: each record is at the centre once, in order.

WAYSIDE_KILLS sets how many rounds (1); seeds are printed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wayside.sim.kafka_broker import KafkaBroker, kill_round

ROUNDS = int(os.environ.get("WAYSIDE_KILLS", "1"))
SEED = 20_264

pytestmark = [pytest.mark.joint, pytest.mark.timeout(180 + 90 * ROUNDS)]


async def test_killed_in_mid_stream_nothing_is_lost_doubled_or_reordered(
    kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    for number in range(ROUNDS):
        figures = await kill_round(kafka_broker, tmp_path / str(number), SEED + number)
        print(f"round {number + 1} of {ROUNDS}: {figures}")
        assert figures.records > 50
        assert figures.broker_kills == figures.edge_kills == 1
