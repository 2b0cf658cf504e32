"""An outbox on a file system that is really full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wayside.clock import SystemClock
from wayside.mec.rollup import Outbox, OutboxSettings, RollupError, RollupReason
from wayside.observe import Counters
from wayside.records import DeviceRecord, decode_record

pytestmark = pytest.mark.joint

SETTINGS = OutboxSettings(retry_s=0.02)


@pytest.fixture
def small_disk(tmp_path: Path, optional_part: Callable[[str, bool], None]) -> Iterator[Path]:
    """A file system of 24 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    done = mount is not None and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=24m", "none", str(place)], capture_output=True
    )
    optional_part("the right to mount a tmpfs", bool(done and done.returncode == 0))
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path: Path) -> None:
    """Take all that is left."""
    disk = os.statvfs(path.parent)
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
        while True:
            file.write(bytes(disk.f_bsize))


@pytest.mark.drops(RollupReason.DISK_FULL)
async def test_on_a_full_disk_what_is_there_still_leaves_and_what_waits_follows_in_order(
    small_disk: Path,
) -> None:
    counters = Counters()
    body = DeviceRecord("rsu", "rsu", "up", detail={"text": "x" * 20_000})
    outbox_file = small_disk / "o.db"
    async with await Outbox.open(outbox_file, "haihe", SystemClock(), counters, SETTINGS) as outbox:
        ids = await outbox.append([("rsu", body) for _ in range(100)])
        fill(small_disk / "something else")
        waiting = 0
        for _ in range(5):
            with pytest.raises(RollupError) as caught:
                while True:
                    ids += await outbox.append([("rsu", body)])
            assert caught.value.reason is RollupReason.DISK_FULL and caught.value.kept
            waiting += 1
        assert counters.dropped(RollupReason.DISK_FULL) == waiting
        sent = []
        while len(sent) < len(ids) + waiting:
            await outbox.wait_pending()
            page = await outbox.page(10)
            sent += [item.id for item in page]
            assert await outbox.confirm([item.id for item in page]) == len(page)
        assert [item.seq for item in sent] == list(range(1, len(ids) + waiting + 1))
        assert outbox.state.rows == outbox.state.held == 0
        (small_disk / "something else").unlink()
        (last,) = await outbox.append([("rsu", body)])
        (stored,) = await outbox.page(10)
        assert stored.id == last and decode_record(stored.body).body == body


async def test_the_reserve_is_laid_in_only_where_there_is_room_enough(small_disk: Path) -> None:
    reserve = small_disk / "o.db.reserve"
    much = OutboxSettings(reserve_bytes=8_388_608)
    async with await Outbox.open(small_disk / "o.db", "haihe", SystemClock(), settings=much):
        assert not reserve.exists()
    async with await Outbox.open(small_disk / "o.db", "haihe", SystemClock(), settings=SETTINGS):
        assert reserve.stat().st_size == SETTINGS.reserve_bytes
