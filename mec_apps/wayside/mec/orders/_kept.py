from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from wayside.records import PostSign, ResultRecord

# Results that are told again when a command comes again; the oldest leave.
MAX_RESULTS = 1_000
MAX_KEPT_BYTES = 8_388_608


class Kept(msgspec.Struct):
    """What outlives a restart. results: command_id → what became of it, oldest first. signs: those that
    operators have put up, by sign_id. apps: switched by operators, name → on."""

    version: Annotated[int, Meta(ge=1, le=1)] = 1
    results: dict[str, ResultRecord] = {}
    signs: dict[str, PostSign] = {}
    apps: dict[str, bool] = {}

    def remember(self, result: ResultRecord) -> None:
        """Add a result; forget the oldest beyond MAX_RESULTS."""
        self.results[result.command_id] = result
        while len(self.results) > MAX_RESULTS:
            del self.results[next(iter(self.results))]


_kept = msgspec.msgpack.Decoder(Kept)


def read_kept(path: Path) -> Kept:
    """What was kept; nothing where there is no file. Raises OSError, ValueError (damaged)."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_KEPT_BYTES + 1)
    except FileNotFoundError:
        return Kept()
    if len(data) > MAX_KEPT_BYTES:
        raise ValueError(f"larger than {MAX_KEPT_BYTES} octets")
    try:
        return _kept.decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_kept(path: Path, data: bytes) -> None:
    """Put a file's new content in place of the old in one step: after a crash it is the one or the other.

    Blocks for the disk. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
