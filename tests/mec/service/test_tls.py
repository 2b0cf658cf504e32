"""An edge whose vehicle link speaks TLS, on real sockets, with a certificate made here."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wayside.clock import SystemClock
from wayside.mec.service import EdgeService
from wayside.mec.site import SiteError, SiteReason, load_site
from wayside.observe import Counters
from wayside.obu import ObuClient, ObuError

pytestmark = pytest.mark.joint

MAPS = Path(__file__).parents[3] / "deploy" / "demo" / "maps"
SITE = """\
version: 1
id: haihe-tls
name: Haihe
origin: {lat: 38.9811, lon: 117.3518}
maps:
  - {file: map.hex, dialect: j2735-2024}
listen: {sensors_udp: "127.0.0.1:0", link: "127.0.0.1:0", http: "127.0.0.1:0"}
link:
  token: {file: link.token}
  tls: {certificate: cert.pem, key: key.pem}
"""


@pytest.fixture
def folder(tmp_path: Path, optional_part: Callable[[str, bool], None]) -> Path:
    shutil.copy(MAPS / "haihe-j2735-2024.hex", tmp_path / "map.hex")
    (tmp_path / "link.token").write_text("s3cret\n")
    (tmp_path / "site.yaml").write_text(SITE)
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=wayside-test", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [*words, "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    optional_part("openssl", shutil.which("openssl") is not None)
    subprocess.run(made, check=True, capture_output=True, timeout=30)
    return tmp_path


def edge(folder: Path) -> EdgeService:
    return EdgeService(load_site(folder / "site.yaml"), SystemClock(), Counters())


async def test_vehicles_connect_by_wss_and_check_the_certificate(folder: Path) -> None:
    service = edge(folder)
    await service.start()
    try:
        port = service.ports["link"]
        trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        server = f"wss://127.0.0.1:{port}/"
        async with ObuClient([server], vehicle_id="bus-12", token="s3cret", ssl=trust) as obu:
            await obu.connected()
            assert obu.status().site == "haihe-tls"
        async with ObuClient([server], vehicle_id="bus-13", token="s3cret") as doubting:
            with pytest.raises(ObuError, match="certificate"):
                await doubting.connected(3.0)
        async with ObuClient([f"ws://127.0.0.1:{port}/"], vehicle_id="bus-14", token="s3cret") as plain:
            with pytest.raises(ObuError):
                await plain.connected(0.5)
    finally:
        await service.close()


async def test_a_bad_certificate_ends_the_start_and_leaves_nothing_open(folder: Path) -> None:
    (folder / "key.pem").write_text("no key")
    service = edge(folder)
    with pytest.raises(SiteError) as refused:
        await service.start()
    assert refused.value.reason is SiteReason.BAD_CERTIFICATE
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others


async def test_what_is_laid_open_is_said_at_the_start(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = SITE.replace('link: "127.0.0.1:0"', 'link: "0.0.0.0:0"').replace("  tls:", "  #")
    (folder / "site.yaml").write_text(text)
    service = edge(folder)
    with caplog.at_level(logging.WARNING):
        await service.start()
        await service.close()
    assert any("listen.link" in line and "TLS" in line for line in caplog.messages)
