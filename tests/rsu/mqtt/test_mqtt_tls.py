"""TLS towards Mosquitto, with an authority of the test's own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wayside.clock import VirtualClock
from wayside.observe import Counters
from wayside.rsu import DeviceState, RsuError, RsuReason, find_vendor, read_config
from wayside.rsu.mqtt import MqttBroker, MqttClient, Tls
from wayside.rsu.vendors.tits0117 import Config, Tits0117

pytestmark = pytest.mark.joint

LOGIN = {"username": "edge", "password": "secret"}


def _openssl(folder: Path, words: str) -> None:
    made = ["openssl", *words.split()]
    subprocess.run(made, cwd=folder, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory, optional_part: Callable[[str, bool], None]) -> Path:
    """An authority with a certificate for `localhost` and one of a client, and another authority."""
    optional_part("openssl", shutil.which("openssl") is not None)
    folder = tmp_path_factory.mktemp("keys")
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for name in ("ca", "other"):
        _openssl(folder, f"req -x509 {curve} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n", "utf-8")
    for name in ("broker", "edge"):
        _openssl(folder, f"req {curve} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        signed = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names"
        _openssl(folder, f"{signed} -out {name}.pem")
    return folder


def client(clock: VirtualClock, port: int, tls: Tls, host: str = "localhost") -> MqttClient:
    return MqttClient(
        clock,
        host=host,
        port=port,
        client_id="edge",
        on_message=lambda _: None,
        on_lost=lambda _: None,
        tls=tls,
        **LOGIN,
    )


async def test_a_trusted_broker_is_spoken_to_over_tls(
    clock: VirtualClock, mosquitto: Callable[..., Any], keys: Path
) -> None:
    async with mosquitto({"edge": "secret"}, tls=keys) as port:
        for host, name in (("localhost", ""), ("127.0.0.1", "localhost")):
            one = client(clock, port, Tls(authority=str(keys / "ca.pem"), server_name=name), host)
            await one.connect()
            await one.publish_acknowledged("a", bytes(100_000))
            await one.close()


@pytest.mark.drops(RsuReason.AUTH)
@pytest.mark.parametrize(
    ("authority", "host", "what"),
    [("other.pem", "localhost", "self"), ("", "localhost", "self"), ("ca.pem", "127.0.0.1", "127.0.0.1")],
)
async def test_a_broker_that_is_not_trusted_or_has_another_name_is_refused(
    clock: VirtualClock, mosquitto: Callable[..., Any], keys: Path, authority: str, host: str, what: str
) -> None:
    async with mosquitto({"edge": "secret"}, tls=keys) as port:
        one = client(clock, port, Tls(authority=authority and str(keys / authority)), host)
        with pytest.raises(RsuError) as caught:
            await one.connect()
        assert caught.value.reason is RsuReason.AUTH and what in caught.value.what
        assert not one.is_open


async def test_a_broker_that_wants_a_certificate_gets_it_or_refuses(
    clock: VirtualClock, mosquitto: Callable[..., Any], keys: Path
) -> None:
    files = {name: str(keys / f"edge.{end}") for name, end in (("certificate", "pem"), ("key", "key"))}
    async with mosquitto({"edge": "secret"}, tls=keys, both=True) as port:
        one = client(clock, port, Tls(authority=str(keys / "ca.pem"), **files))
        await one.connect()
        await one.publish_acknowledged("a", b"x")
        await one.close()
        with pytest.raises(RsuError) as caught:
            await client(clock, port, Tls(authority=str(keys / "ca.pem"))).connect()
        # It gives its reason and hangs up at once: the one may overtake the other.
        assert caught.value.reason in (RsuReason.AUTH, RsuReason.OFFLINE)
        assert "tls.certificate" in caught.value.advice


@pytest.mark.drops(RsuReason.UNSUPPORTED, RsuReason.UNREACHABLE)
async def test_a_broker_without_tls_is_not_spoken_to(clock: VirtualClock) -> None:
    broker = MqttBroker(clock)
    await broker.start()
    with pytest.raises(RsuError) as caught:
        await client(clock, broker.port, Tls()).connect()
    assert caught.value.reason in (RsuReason.UNSUPPORTED, RsuReason.UNREACHABLE)
    await broker.close()


@pytest.mark.drops(RsuReason.CONFIG)
async def test_files_that_are_none_are_named(clock: VirtualClock, keys: Path, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing", "utf-8")
    for tls, where in (
        (Tls(authority=str(tmp_path / "missing.pem")), "tls.authority"),
        (Tls(authority=str(tmp_path / "no.pem")), "tls.authority"),
        (Tls(certificate=str(keys / "edge.pem"), key=str(keys / "broker.key")), "tls.certificate, key"),
    ):
        with pytest.raises(RsuError) as caught:
            await client(clock, 1, tls).connect()
        assert (caught.value.reason, caught.value.where) == (RsuReason.CONFIG, where)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"certificate": "a.pem"}, Tls)


async def test_a_unit_behind_a_broker_of_a_wrong_authority_is_not_reached(
    clock: VirtualClock, mosquitto: Callable[..., Any], keys: Path
) -> None:
    info = find_vendor("tits0117")
    async with mosquitto({"edge": "secret"}, tls=keys) as port:
        for authority, reached in (("ca.pem", True), ("other.pem", False)):
            values = {"device_id": "r", "host": "localhost", "port": port, "esn": "R1", **LOGIN}
            config = read_config(info, {**values, "tls": {"authority": authority}}).in_folder(keys)
            counters = Counters()
            adapter = Tits0117(config, clock, counters)
            assert await adapter.connect() is reached
            assert counters.dropped(RsuReason.AUTH) == (not reached)
            assert adapter.state is DeviceState.CONNECTING
            await adapter.close()


def test_the_port_follows_from_tls() -> None:
    plain = Config(device_id="r", host="broker.example", esn="R1")
    secure = Config(device_id="r", host="broker.example", esn="R1", tls=Tls())
    assert (plain.broker.port, secure.broker.port) == (1_883, 8_883)
    assert (plain.plain_peer, secure.plain_peer) == ("broker.example", "")
    assert Config(device_id="r", host="h", esn="R1", tls=Tls(), port=1).broker.port == 1
