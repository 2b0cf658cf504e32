"""The report's form, and that each check of `check_report` fails when it should."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from wayside.observe import LatencySummary, stage_of
from wayside.records import RecordReason
from wayside.sim import check_report
from wayside.sim._processes import MemoryUse
from wayside.sim.report import (
    FORMAT,
    Comparison,
    DeliveredLatency,
    LatencyReport,
    RecordCount,
    Report,
    UnitReport,
    read_report,
    report_text,
    schema_text,
    write_report,
)

SUMMARY = LatencySummary(1, 1.0, 1.0, 1.0)
DELIVERY = DeliveredLatency("0" * 16, "sim-1", "vrucw", {"ingested": 1.0, "called": 4.0}, 5.5)
UNIT = UnitReport("usdot_rsu41", "j2735-2024", {"SPAT": 3}, {"SPAT": {"sent": 3}})
SOUND = Report(
    format=FORMAT,
    road="crossing",
    seed=1,
    started_utc_ns=1,
    duration_s=12.0,
    behind_s=0.1,
    versions={"wayside": "0"},
    linked=3,
    messages={"bsm": {"rsu-1": 3}},
    warnings={"vrucw": 1},
    advice={"signal_state": 4},
    units={"rsu-1": UNIT},
    scenes={"pedestrian": 1},
    comparisons=(Comparison("pedestrian", (1,), 1, 0, 1, 0, 0.0, None, 3),),
    latency=LatencyReport(
        {"called": SUMMARY}, SUMMARY, {"edge": SUMMARY}, SUMMARY, SUMMARY, SUMMARY, (DELIVERY,)
    ),
    records=RecordCount(7, 7, 0),
    memory={"edge": MemoryUse(310.0, 4, 12)},
    dropped={stage_of(RecordReason.MALFORMED): {RecordReason.MALFORMED.value: 2}},
)
replace = msgspec.structs.replace


def off_by(ms: float) -> Report:
    late = replace(DELIVERY, total_ms=5.0 + ms)
    return replace(SOUND, latency=replace(SOUND.latency, deliveries=(DELIVERY, late)))


def test_sound_report_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep" / "report.json"
    write_report(path, SOUND)
    assert read_report(path) == SOUND
    assert check_report.main([str(path)]) == 0
    out = capsys.readouterr().out
    assert "sound; checked 7 committed against 7 stored records, 1 drop reasons, 1 deliveries" in out


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (replace(SOUND, records=RecordCount(7, 6, 1)), "7 records committed, 6 stored"),
        (replace(SOUND, records=RecordCount(7, 8, 0)), "7 records committed, 8 stored"),
        (replace(SOUND, records=RecordCount(0, 0, 0)), "no record was committed"),
        (replace(SOUND, dropped={"record": {"because": 1}}), "no known reason"),
        (replace(SOUND, dropped={"nowhere": {"malformed": 1}}), "no known reason"),
        (off_by(1.01), "sum to 5.000 ms"),
        (off_by(-1.01), "sum to 5.000 ms"),
        (replace(SOUND, latency=replace(SOUND.latency, deliveries=())), "no warning reached a driver"),
        (replace(SOUND, units={"rsu-1": replace(UNIT, deliveries={})}), "nothing was delivered to rsu-1"),
        (replace(SOUND, units={"rsu-1": replace(UNIT, broadcast={})}), "put nothing on the air"),
        (replace(SOUND, memory={"edge": MemoryUse(1_000.1, 4, 12)}), "took 1000 MB, at most 1000"),
        (replace(SOUND, problems=("the edge ended with 1",)), "the edge ended with 1"),
        (replace(SOUND, format=99), "format 99"),
    ],
)
def test_each_fault_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], report: Report, said: str
) -> None:
    path = tmp_path / "report.json"
    write_report(path, report)
    assert check_report.main([str(path)]) == 1
    assert said in capsys.readouterr().err


def test_stages_may_be_off_by_a_millisecond() -> None:
    assert check_report.faults(off_by(0.99), check_report.known_reasons()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 1, "extra": 2}', b"\xff"])
def test_what_is_no_report_is_told_apart(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    assert check_report.main([str(path)]) == 2
    assert check_report.main([str(tmp_path / "missing.json")]) == 2


def test_schema_in_the_documents_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[2] / "docs" / "schemas" / "report.json"
    assert path.read_text() == schema_text()
    assert check_report.main(["--schema"]) == 0
    assert capsys.readouterr().out == schema_text()


def test_text_names_what_matters() -> None:
    text = report_text(replace(SOUND, problems=("something",)))
    for word in (
        "rsu-1",
        "3 sent",
        "signal_state",
        "310",
        "vrucw",
        "pedestrian",
        "timer lateness",
        "7 committed, 7 stored",
        "malformed",
        "something",
    ):
        assert word in text
