"""The way to the centre in a site file: HTTP or Kafka."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wayside.clock import SystemClock
from wayside.mec.rollup import (
    HttpCommands,
    HttpUplink,
    KafkaCommands,
    KafkaUplink,
    Outbox,
    make_commands,
    make_uplink,
)
from wayside.mec.site import Site, SiteError, SiteReason, load_site
from wayside.observe import Counters

MAPS = Path(__file__).parents[3] / "deploy" / "demo" / "maps"
R = SiteReason
BARE = """\
version: 1
id: haihe-test
name: Haihe
origin: {lat: 38.9811, lon: 117.3518}
maps:
  - {file: map.hex, dialect: j2735-2024}
"""
KAFKA = "servers: ['127.0.0.1:9092', 'broker.example:9093']"
SASL = "sasl: {user: edge, password: {file: kafka.password}}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(MAPS / "haihe-j2735-2024.hex", tmp_path / "map.hex")
    return tmp_path


def load(folder: Path, uplink: str) -> Site:
    path = folder / "site.yaml"
    path.write_text(f"{BARE}uplink: {uplink}\n" if uplink else BARE)
    return load_site(path)


def problems(folder: Path, uplink: str) -> list[tuple[SiteReason, int]]:
    with pytest.raises(SiteError) as caught:
        load(folder, uplink)
    return [(problem.reason, problem.line) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("uplink", "kinds"),
    [
        ("", (type(None), type(None))),
        ("{url: 'http://127.0.0.1:8080'}", (HttpUplink, HttpCommands)),
        (f"{{kafka: {{{KAFKA}}}}}", (KafkaUplink, KafkaCommands)),
    ],
)
async def test_the_uplink_is_what_the_file_asks_for(
    folder: Path, uplink: str, kinds: tuple[type, type]
) -> None:
    site, clock = load(folder, uplink), SystemClock()
    async with await Outbox.open(folder / "o.db", site.id, clock) as outbox:
        sender = make_uplink(site, outbox, clock, Counters())
        commands = make_commands(site, outbox.instance, clock, Counters())
        assert (type(sender), type(commands)) == kinds
        for part in (sender, commands):
            if part is not None:
                await part.close()


@pytest.mark.drops(R.BAD_VALUE, R.INLINE_SECRET, R.UNKNOWN_KEY)
@pytest.mark.parametrize(
    ("uplink", "reason"),
    [
        ("{}", R.BAD_VALUE),
        (f"{{url: 'http://127.0.0.1:8080', kafka: {{{KAFKA}}}}}", R.BAD_VALUE),
        (f"{{kafka: {{{KAFKA}}}, token: {{env: T}}}}", R.BAD_VALUE),
        ("{kafka: {servers: []}}", R.BAD_VALUE),
        ("{kafka: {servers: ['no port']}}", R.BAD_VALUE),
        (f"{{kafka: {{{KAFKA}, tls: {{certificate: c.pem}}}}}}", R.BAD_VALUE),
        (f"{{kafka: {{{KAFKA}, sasl: {{user: edge, password: geheim}}}}}}", R.INLINE_SECRET),
        (f"{{kafka: {{{KAFKA}, topic: mine}}}}", R.UNKNOWN_KEY),
    ],
)
def test_an_uplink_of_a_wrong_form_is_refused_with_its_line(
    folder: Path, uplink: str, reason: SiteReason
) -> None:
    assert (reason, 7) in problems(folder, uplink)


@pytest.mark.drops(R.MISSING_SECRET)
def test_the_password_comes_from_its_file(folder: Path) -> None:
    site = load(folder, f"{{kafka: {{{KAFKA}, {SASL}}}}}")
    with pytest.raises(SiteError) as caught:
        site.broker_access()
    assert caught.value.problems[0].reason is R.MISSING_SECRET
    (folder / "kafka.password").write_text("geheim\n")
    access = site.broker_access()
    assert access is not None and (access.user, access.password) == ("edge", "geheim")
    assert access.mechanism == "SCRAM-SHA-512" and access.tls is None
    assert "geheim" not in repr(access) and "geheim" not in str(site.effective())


@pytest.mark.drops(R.MISSING_FILE, R.BAD_CERTIFICATE)
def test_tls_towards_the_brokers(folder: Path, optional_part: Callable[[str, bool], None]) -> None:
    assert load(folder, f"{{kafka: {{{KAFKA}, tls: {{}}}}}}").broker_access().tls is not None  # type: ignore[union-attr]
    own = f"{{kafka: {{{KAFKA}, tls: {{authority: ca.pem, certificate: ca.pem, key: key.pem}}}}}}"
    site = load(folder, own)
    with pytest.raises(SiteError) as caught:
        site.broker_access()
    assert caught.value.problems[0].reason is R.MISSING_FILE
    optional_part("openssl", shutil.which("openssl") is not None)
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=t"
    made = [*words.split(), "-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    subprocess.run(made, check=True, capture_output=True, timeout=30)
    assert site.broker_access().tls is not None  # type: ignore[union-attr]
    (folder / "key.pem").write_text("no key")
    with pytest.raises(SiteError) as caught:
        site.broker_access()
    assert caught.value.problems[0].reason is R.BAD_CERTIFICATE


def test_brokers_beyond_this_computer_without_tls_are_warned_of(folder: Path) -> None:
    (warning,) = load(folder, f"{{kafka: {{{KAFKA}}}}}").warnings()
    assert "broker.example" in warning and "uplink.kafka.tls" in warning
    assert load(folder, f"{{kafka: {{{KAFKA}, tls: {{}}}}}}").warnings() == ()
