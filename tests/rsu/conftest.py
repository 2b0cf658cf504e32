"""Real encoded messages, and a device without a wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[1] / "vectors"


def read_vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))
    return found


@pytest.fixture(scope="session")
def spat_frames() -> list[bytes]:
    """Three different SPAT frames of J2735, smallest first."""
    frames = {v["hex"] for v in read_vectors("j2735.json") if v["message"] == "SPAT"}
    return [bytes.fromhex(text) for text in sorted(frames, key=len)[:3]]


@pytest.fixture(scope="session")
def map_frame() -> bytes:
    """A MAP frame of J2735 that fits one immediate forward."""
    frames = [v["hex"] for v in read_vectors("j2735.json") if v["message"] == "MapData"]
    return bytes.fromhex(min(frames, key=len))
