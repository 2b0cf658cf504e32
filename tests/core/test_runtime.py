from __future__ import annotations

import asyncio
import logging
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.runtime import Backoff, BoundedQueue, Full, LatestWins, TaskOwner, allow_open_files


async def test_an_owner_ends_all_its_tasks() -> None:
    ended: list[str] = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with TaskOwner("owner") as owner:
        owner.start(forever("a"), "a")
        owner.start(forever("b"), "b")
        await asyncio.sleep(0)
    assert sorted(ended) == ["a", "b"]
    assert len(owner) == 0
    with pytest.raises(RuntimeError, match="closing"):
        owner.start(forever("late"), "late")


async def test_a_failing_task_is_reported_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    reported: list[tuple[str, str]] = []
    gate = asyncio.Event()

    async def fail() -> None:
        raise LookupError("no such lane")

    async def work() -> str:
        await gate.wait()
        return "done"

    owner = TaskOwner("owner", lambda name, error: reported.append((name, str(error))))
    survivor = owner.start(work(), "work")
    await asyncio.wait([owner.start(fail(), "fail")])
    gate.set()
    assert await survivor == "done"
    assert reported == [("owner/fail", "no such lane")]
    assert isinstance(owner.failure, LookupError)
    await owner.close()

    loud = TaskOwner("loud")
    with caplog.at_level(logging.ERROR):
        await asyncio.wait([loud.start(fail(), "fail")])
    assert "loud/fail" in caplog.text
    await loud.close()


async def test_an_owner_may_be_closed_by_one_of_its_own_tasks() -> None:
    owner = TaskOwner("owner")
    other = owner.start(asyncio.Event().wait(), "other")
    await owner.start(owner.close(), "closer")
    assert other.cancelled()


@pytest.mark.parametrize(
    ("full", "kept", "lost"), [(Full.DROP_OLDEST, [1, 2], [0]), (Full.REFUSE_NEWEST, [0, 1], [2])]
)
async def test_a_full_queue_follows_its_policy(full: Full, kept: list[int], lost: list[int]) -> None:
    dropped: list[int] = []
    queue: BoundedQueue[int] = BoundedQueue(2, full, dropped.append)
    taken = [queue.put(n) for n in range(3)]
    assert taken == [True, True, full is Full.DROP_OLDEST]
    assert queue.take_all() == kept
    assert dropped == lost


async def test_a_queue_hands_over_to_a_waiting_reader() -> None:
    queue: BoundedQueue[str] = BoundedQueue(1, Full.DROP_OLDEST, lambda _: None)
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put("scan")
    assert await reader == "scan"
    assert len(queue) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers()), max_size=60))
def test_latest_wins_keeps_the_newest_of_each_key_and_loses_nothing_unreported(
    puts: list[tuple[int, int]],
) -> None:
    lost: list[tuple[int, int]] = []
    queue: LatestWins[tuple[int, int]] = LatestWins(3, lost.append)
    for key, value in puts:
        queue.put(key, (key, value))

    async def drain() -> list[tuple[int, int]]:
        return [await queue.get() for _ in range(len(queue))]

    left = asyncio.run(drain())
    assert len(left) <= 3
    assert len({key for key, _ in left}) == len(left)
    newest = dict(puts)
    assert all(newest[key] == value for key, value in left)
    assert sorted(left + lost) == sorted(puts)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_back_off_grows_to_its_ceiling_and_never_beyond(seed: int, attempts: int) -> None:
    backoff = Backoff(first_s=0.2, ceiling_s=5.0, floor_s=0.05, seed=seed)
    for n in range(attempts):
        assert 0.05 <= backoff.next_s() <= min(0.2 * 2**n, 5.0)
    backoff.reset()
    assert backoff.next_s() <= 0.2


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        assert allow_open_files() == hard == allow_open_files()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
