"""TLS of the vehicle link, and what a site file lays open to the network."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wayside.mec.site import Site, SiteError, SiteReason, load_site

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
TLS = BARE + "link:\n  tls: {certificate: cert.pem, key: key.pem}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(MAPS / "haihe-j2735-2024.hex", tmp_path / "map.hex")
    return tmp_path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory, optional_part: Callable[[str, bool], None]) -> Path:
    """A folder with a certificate, its key, another key, and the key under a passphrase."""
    folder = tmp_path_factory.mktemp("tls")
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words = ["openssl", "req", "-x509", "-newkey", "ec", *curve, "-nodes", "-days", "2", "-subj", "/CN=test"]
    optional_part("openssl", shutil.which("openssl") is not None)
    for cert, key in (("cert.pem", "key.pem"), ("other.pem", "other.key")):
        made = [*words, "-keyout", str(folder / key), "-out", str(folder / cert)]
        subprocess.run(made, check=True, capture_output=True, timeout=30)
    locked = ["openssl", "pkcs8", "-topk8", "-in", str(folder / "key.pem"), "-passout", "pass:x"]
    subprocess.run([*locked, "-out", str(folder / "locked.key")], check=True, capture_output=True, timeout=30)
    return folder


def load(folder: Path, text: str) -> Site:
    path = folder / "site.yaml"
    path.write_text(text, "utf-8")
    return load_site(path)


def test_without_tls_there_is_no_context(folder: Path) -> None:
    assert load(folder, BARE).link_tls() is None


def test_the_certificate_is_loaded_at_the_start_relative_to_the_file(folder: Path, keys: Path) -> None:
    site = load(folder, TLS)  # the file is sound before its certificate is there, as with secrets
    for name in ("cert.pem", "key.pem"):
        shutil.copy(keys / name, folder)
    context = site.link_tls()
    assert context is not None
    assert context.minimum_version.name == "TLSv1_2"
    assert site.effective()["link"]["tls"] == {"certificate": "cert.pem", "key": "key.pem"}


@pytest.mark.parametrize("missing", ["cert.pem", "key.pem"])
def test_a_certificate_that_is_not_there_is_named(folder: Path, keys: Path, missing: str) -> None:
    for name in ("cert.pem", "key.pem"):
        shutil.copy(keys / name, folder)
    (folder / missing).unlink()
    with pytest.raises(SiteError, match=missing) as refused:
        load(folder, TLS).link_tls()
    assert refused.value.reason is R.MISSING_FILE


@pytest.mark.drops(R.BAD_CERTIFICATE)
@pytest.mark.parametrize(
    ("cert", "key"),
    [
        ("cert.pem", "other.key"),  # the key of another certificate
        ("cert.pem", "locked.key"),  # under a passphrase: nobody is there to type it
        ("key.pem", "key.pem"),
        ("cert.pem", "cert.pem"),
        ("map.hex", "key.pem"),
    ],
)
def test_a_certificate_that_cannot_serve_is_refused(folder: Path, keys: Path, cert: str, key: str) -> None:
    for path in keys.iterdir():
        shutil.copy(path, folder)
    with pytest.raises(SiteError) as refused:
        load(folder, TLS.replace("cert.pem", cert).replace("key: key.pem", f"key: {key}")).link_tls()
    assert refused.value.reason is R.BAD_CERTIFICATE
    assert "PRIVATE" not in str(refused.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.7", "edge.example"])
def test_a_link_open_to_the_network_needs_a_token(folder: Path, host: str) -> None:
    text = BARE + f'listen:\n  link: "{host}:7443"\n'
    with pytest.raises(SiteError) as refused:
        load(folder, text)
    (problem,) = refused.value.problems
    assert (problem.reason, problem.line, problem.key) == (R.MISSING_KEY, 8, "listen.link")
    assert "link.token" in problem.advice
    assert load(folder, text + "link: {token: {env: WAYSIDE_TEST_LINK}}\n").warnings()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_on_this_computer_nothing_is_laid_open(folder: Path, host: str) -> None:
    names = ("sensors_udp", "sensors_ws", "tscbm", "link", "http")
    listen = "".join(f'  {name}: "{host}:0"\n' for name in names)
    assert load(folder, BARE + "listen:\n" + listen).warnings() == ()


OPEN = (
    BARE
    + """\
listen:
  {sensors_udp: "0.0.0.0:1", sensors_ws: "0.0.0.0:2", tscbm: "0.0.0.0:3", link: "0.0.0.0:4",
   http: "0.0.0.0:5"}
sensors:
  - &cam {id: cam, kind: camera, lat: 38.98, lon: 117.35, rate_hz: 10, expected_delay_ms: 65, range_m: 110}
  - {id: lidar, kind: lidar, transport: websocket, token: {env: WAYSIDE_TEST_TOKEN},
     lat: 38.981, lon: 117.3516, rate_hz: 10, expected_delay_ms: 200, range_m: 60}
signals:
  - {intersection: 12-11201, source: tscbm, vehicle: {2: 2}}
link: {token: {env: WAYSIDE_TEST_LINK}}
uplink: {url: "http://centre.example", token: {env: WAYSIDE_TEST_UPLINK}}
"""
)


def test_each_thing_laid_open_is_told_with_what_to_do(folder: Path) -> None:
    warnings = load(folder, OPEN).warnings()
    assert [warning.partition(":")[0] for warning in warnings] == [
        "listen.link",
        "sensors[0].address",
        "listen.sensors_ws",
        "signals[0].address",
        "listen.http",
        "uplink.url",
    ]
    closed = (
        OPEN.replace("{id: cam,", "{id: cam, address: 192.0.2.9,")
        .replace('sensors_ws: "0.0.0.0:2"', 'sensors_ws: "127.0.0.1:2"')
        .replace("source: tscbm,", "source: tscbm, address: 192.0.2.8,")
        .replace("link: {token", "link: {tls: {certificate: a.pem, key: b.pem}, token")
        .replace('http: "0.0.0.0:5"', 'http: "127.0.0.1:5"')
        .replace("http://centre", "https://centre")
    )
    assert load(folder, closed).warnings() == ()


UNIT = "{id: rsu-1, vendor: tits0117, dialect: csae53-2020, lat: 38.98, lon: 117.35, config: {esn: R1, "


def test_a_units_login_that_leaves_this_computer_in_the_clear_is_told(folder: Path) -> None:
    units = f"rsus:\n  - {UNIT}host: 127.0.0.1}}}}\n  - {UNIT}host: broker.example}}}}\n"
    (warning,) = load(folder, BARE + units.replace("rsu-1", "rsu-0", 1)).warnings()
    assert warning.startswith("rsus[1].config: ") and "rsu-1" in warning and "set tls" in warning
    site = load(
        folder, BARE + f"rsus:\n  - {UNIT}host: broker.example, tls: {{authority: keys/ca.pem}}}}}}\n"
    )
    assert site.warnings() == ()
    broker = site.devices["rsu-1"].broker  # type: ignore[attr-defined]
    assert (broker.port, broker.tls.authority) == (8_883, str(folder / "keys/ca.pem"))
