"""The memory of a process tree, and the broker of a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from socket import SOCK_STREAM

import pytest

from wayside.clock import SystemClock, VirtualClock
from wayside.sim._broker import RunBroker, mosquitto_path
from wayside.sim._children import Child, free_port
from wayside.sim._processes import TreeWatch, resident_mb, tree_of


def test_this_process_is_in_its_own_tree_and_takes_memory(clock: VirtualClock) -> None:
    assert os.getpid() in tree_of(os.getpid())
    assert 5.0 < resident_mb(os.getpid()) < 5_000.0
    watch = TreeWatch(os.getpid(), clock)
    watch.look()
    watch.look()
    assert watch.use.samples == 2 and watch.use.peak_mb > 5.0


def test_a_process_that_is_gone_counts_as_nothing(clock: VirtualClock) -> None:
    assert tree_of(2**22 + 1) == [] and resident_mb(2**22 + 1) == 0.0
    watch = TreeWatch(2**22 + 1, clock)
    watch.look()
    assert watch.use.samples == 0


@pytest.mark.joint
async def test_children_of_children_count(tmp_path: Path) -> None:
    child = Child("nest", ("-c", "sleep 30 & wait"), tmp_path / "log", program=("/bin/sh",))
    await child.start()
    try:
        for _ in range(200):
            if len(tree_of(child.pid)) == 2:
                break
            await SystemClock().sleep(0.01)
        assert len(tree_of(child.pid)) == 2
    finally:
        for pid in tree_of(child.pid)[1:]:
            os.kill(pid, 15)
        await child.end()


@pytest.mark.joint
@pytest.mark.parametrize("own", [True, False])
async def test_a_run_s_broker_carries_messages(
    own: bool, tmp_path: Path, optional_part: Callable[[str, bool], None]
) -> None:
    if not own:
        optional_part("mosquitto", mosquitto_path() is not None)

    broker = RunBroker(free_port(SOCK_STREAM), SystemClock(), tmp_path, own=own)
    await broker.start()
    try:
        assert broker.name == ("the broker of this process" if own else "mosquitto")
        assert await broker._answers()
    finally:
        await broker.close()
    assert not await broker._answers()
