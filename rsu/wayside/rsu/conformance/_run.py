from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from wayside.clock import SystemClock, VirtualClock
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu._vendors import VendorInfo
from wayside.rsu.conformance._bench import Bench, Check, CheckFailed
from wayside.rsu.conformance._checks import CHECKS


class Status(StrEnum):
    """How a check came out. SKIPPED: it needs an emulator and ran against a real device."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckResult(msgspec.Struct, frozen=True):
    """One check's outcome. detail: what was found instead, empty when passed. profile: of the emulated
    device, where the kit runs with several."""

    name: str
    what: str
    status: Status
    detail: str = ""
    profile: str = ""


def all_checks(info: VendorInfo) -> tuple[Check, ...]:
    """The checks every vendor must pass, then those of the vendor's own wire."""
    return (*CHECKS, *info.checks())


async def run(
    info: VendorInfo,
    device: Mapping[str, Any] | None = None,
    *,
    only: Iterable[str] = (),
    profiles: Iterable[str] = (),
    report: Callable[[CheckResult], None] | None = None,
) -> list[CheckResult]:
    """Run the checks one after the other; `report` is called with each result as it comes.

    device: configuration values that reach a real device; without it the emulator is used, on a virtual
    clock, once with each of the vendor's conformance profiles, or of `profiles`. only: names of checks, all
    when empty. Raises RsuError CONFIG for an unknown name.
    """
    checks = all_checks(info)
    wanted = set(only)
    unknown = wanted - {check.name for check in checks}
    if unknown:
        advice = f"checks: {', '.join(check.name for check in checks)}"
        raise RsuError(RsuReason.CONFIG, f"no check {', '.join(sorted(unknown))}", advice=advice)
    results = []
    emulated = tuple(profiles) or info.conformance_profiles
    for profile in emulated if device is None else ("",):
        for check in checks:
            if wanted and check.name not in wanted:
                continue
            result = await _run_one(info, device, check, profile)
            results.append(result)
            if report is not None:
                report(result)
    return results


async def _run_one(
    info: VendorInfo, device: Mapping[str, Any] | None, check: Check, profile: str
) -> CheckResult:
    if device is not None and check.needs == "emulator":
        return CheckResult(check.name, check.what, Status.SKIPPED, "needs an emulator")
    bench = Bench(info, VirtualClock() if device is None else SystemClock(), device, profile)
    try:
        await check.run(bench)
    except (CheckFailed, RsuError) as error:
        return CheckResult(check.name, check.what, Status.FAILED, str(error), profile)
    return CheckResult(check.name, check.what, Status.PASSED, profile=profile)


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    status: str
    reason: str = ""


def quality_gaps(info: VendorInfo, results: Iterable[CheckResult]) -> list[str]:
    """Where the vendor's quality.yaml and what the kit found disagree, in words; empty when they agree.

    Each check has a rule there: `done`, or `todo` or `exempt` with a reason. Raises RsuError CONFIG for a
    file of another form.
    """
    import yaml

    path = info.folder / "quality.yaml"
    try:
        rules = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), dict[str, dict[str, _Rule]])["rules"]
    except (OSError, yaml.YAMLError, msgspec.ValidationError, KeyError) as error:
        raise RsuError(RsuReason.CONFIG, f"quality.yaml: {error}", where=info.id) from None
    gaps = [
        f"{name}: is no check" for name in rules if name not in {check.name for check in all_checks(info)}
    ]
    for result in results:
        rule = rules.get(result.name)
        if rule is None:
            gaps.append(f"{result.name}: has no rule")
        elif rule.status not in ("done", "todo", "exempt"):
            gaps.append(f"{result.name}: status {rule.status!r} is none of done, todo, exempt")
        elif rule.status != "done" and not rule.reason:
            gaps.append(f"{result.name}: {rule.status} without a reason")
        elif result.status is Status.FAILED and rule.status == "done":
            gaps.append(f"{result.name}: is said to be done, and failed")
        elif result.status is Status.PASSED and rule.status == "todo":
            gaps.append(f"{result.name}: is said to be todo, and passed")
    return gaps
