from __future__ import annotations

import logging
import math
import sys
from pathlib import Path

import pytest

import wayside.mec.service._core_part as core_module
from wayside.clock import SystemClock
from wayside.mec.service import EdgeService
from wayside.mec.service._host_clock import ClockWatch, kernel_clock_error_ms
from wayside.mec.site import load_site
from wayside.observe import Counters

MAPS = Path(__file__).parents[3] / "deploy" / "demo" / "maps"
SITE = f"""\
version: 1
id: haihe-clock
name: Haihe
origin: {{lat: 38.9811, lon: 117.3518}}
maps:
  - {{file: {MAPS / "haihe-j2735-2024.hex"}, dialect: j2735-2024}}
listen: {{sensors_udp: "127.0.0.1:0", link: "127.0.0.1:0", http: "127.0.0.1:0"}}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_the_kernel_says_how_wrong_its_clock_may_be() -> None:
    error_ms = kernel_clock_error_ms()
    assert 0.0 <= error_ms < 16_001.0 or error_ms == math.inf


def test_a_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    errors = [3.0, 151.0, math.inf, 150.0, 4.0]
    counters = Counters()
    watch = ClockWatch(lambda: errors.pop(0), 150.0, counters)
    with caplog.at_level(logging.INFO):
        assert [watch.look() for _ in range(5)] == [3.0, 151.0, math.inf, 150.0, 4.0]
    assert counters.counts()["clock"] == {"doubted": 1, "good": 1}
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.joint
@pytest.mark.parametrize(("line", "degraded"), [("", True), ("clock: {error: trusted}\n", False)])
async def test_the_edge_doubts_what_the_kernel_doubts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, degraded: bool
) -> None:
    monkeypatch.setattr(core_module, "kernel_clock_error_ms", lambda: math.inf)
    path = tmp_path / "site.yaml"
    path.write_text(SITE + line, "utf-8")
    service = EdgeService(load_site(path), SystemClock(), Counters())
    await service.start()
    try:
        assert service.core.world.snapshot().degraded is degraded
    finally:
        await service.close()
