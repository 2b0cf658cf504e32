from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from wayside.clock import VirtualClock
from wayside.rsu import RsuError, RsuReason, VendorInfo, find_vendor, known_vendors
from wayside.rsu.conformance import (
    Bench,
    Check,
    CheckFailed,
    CheckResult,
    Status,
    all_checks,
    quality_gaps,
    run,
)

EVERY = [
    (vendor, profile, check.name)
    for vendor, info in known_vendors().items()
    for profile in info.conformance_profiles
    for check in all_checks(info)
]


@pytest.mark.joint
@pytest.mark.parametrize(("vendor", "profile", "name"), EVERY)
async def test_every_vendor_passes(vendor: str, profile: str, name: str) -> None:
    (result,) = await run(find_vendor(vendor), only=[name], profiles=[profile])
    assert result.status is Status.PASSED, result.detail


@pytest.mark.joint
@pytest.mark.parametrize("vendor", sorted(known_vendors()))
async def test_quality_says_what_the_kit_found(vendor: str) -> None:
    info = find_vendor(vendor)
    results = [CheckResult(check.name, check.what, Status.PASSED) for check in all_checks(info)]
    assert quality_gaps(info, results) == []


async def test_a_check_that_fails_is_reported_and_the_next_one_runs() -> None:
    async def fails(_: Bench) -> None:
        raise CheckFailed("as it should")

    async def passes(_: Bench) -> None:
        return

    checks = (Check("fails", "w", fails), Check("passes", "w", passes))
    info = msgspec.structs.replace(find_vendor("usdot_rsu41"), checks=lambda: checks)
    seen: list[CheckResult] = []
    results = await run(info, only=["fails", "passes"], report=seen.append)
    assert [(r.name, r.status, r.detail) for r in results] == [
        ("fails", Status.FAILED, "as it should"),
        ("passes", Status.PASSED, ""),
    ]
    assert seen == results
    with pytest.raises(RsuError) as caught:
        await run(info, only=["no_such"])
    assert caught.value.reason is RsuReason.CONFIG


@pytest.mark.joint
async def test_the_kit_notices_a_wrong_adapter() -> None:
    """An adapter that lets padding through, or says more than it knows, does not pass."""
    from wayside.rsu import AckLevel, Delivery, DeliveryState, Envelope
    from wayside.rsu.vendors.usdot_rsu41 import UsdotRsu41

    class Padded(UsdotRsu41):
        def _receive(self, envelope: Envelope) -> None:
            super()._receive(msgspec.structs.replace(envelope, uper=(envelope.uper or b"") + b"\0"))

    class Boastful(UsdotRsu41):
        async def _transmit(self, delivery: Delivery) -> DeliveryState:
            delivery.ack = AckLevel.READBACK
            await super()._transmit(delivery)
            return DeliveryState.ACTIVE

    class Deaf(UsdotRsu41):
        async def _decode_all(self) -> None:
            return

    info = find_vendor("usdot_rsu41")
    for adapter, check in (
        (Padded, "padding_is_cut_off_and_told"),
        (Boastful, "acknowledgement_is_truthful"),
        (Deaf, "never_heard_is_not_offline"),
    ):
        (result,) = await run(msgspec.structs.replace(info, adapter=adapter), only=[check])
        assert result.status is Status.FAILED, check


def with_quality(tmp_path: Path, text: str) -> VendorInfo:
    info = find_vendor("usdot_rsu41")
    shutil.copy(info.folder / "quality.yaml", tmp_path / "quality.yaml")
    (tmp_path / "quality.yaml").write_text(text, "utf-8")
    return msgspec.structs.replace(info, folder=tmp_path)


@pytest.mark.parametrize(
    ("rules", "status", "gap"),
    [
        ("text_is_exact: {status: done}", Status.PASSED, None),
        ("text_is_exact: {status: done}", Status.FAILED, "is said to be done, and failed"),
        ("text_is_exact: {status: todo, reason: soon}", Status.PASSED, "is said to be todo, and passed"),
        ("text_is_exact: {status: todo, reason: soon}", Status.FAILED, None),
        ("text_is_exact: {status: exempt}", Status.SKIPPED, "exempt without a reason"),
        ("text_is_exact: {status: fine}", Status.PASSED, "is none of done, todo, exempt"),
        ("close_ends_everything: {status: done}", Status.PASSED, "has no rule"),
    ],
)
def test_quality_and_findings_are_compared(
    tmp_path: Path, rules: str, status: Status, gap: str | None
) -> None:
    info = with_quality(tmp_path, f"rules:\n  {rules}\n")
    gaps = quality_gaps(info, [CheckResult("text_is_exact", "", status)])
    assert len(gaps) == (gap is not None)
    assert gap is None or gap in gaps[0]


def test_a_rule_without_a_check_is_a_gap(tmp_path: Path) -> None:
    info = with_quality(tmp_path, "rules:\n  of_old: {status: done}\n")
    assert quality_gaps(info, []) == ["of_old: is no check"]


@pytest.mark.parametrize("text", ["rules: 3", "{", "other: {}", "rules: {a: {state: done}}"])
def test_a_quality_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RsuError) as caught:
        quality_gaps(with_quality(tmp_path, text), [])
    assert caught.value.reason is RsuReason.CONFIG


def test_the_kits_frames_decode() -> None:
    from wayside.rsu import check_frame

    for info in known_vendors().values():
        bench = Bench(info, VirtualClock())
        for message in {envelope.message for envelope in bench.frames()}:
            for envelope in bench.frames(message):
                octets = envelope.uper or b""
                assert check_frame(envelope.dialect, octets).octets == len(octets)
