"""Real encoded messages, and a Mosquitto of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[1] / "vectors"
_PATIENCE_S = 10.0


def read_vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))
    return found


@pytest.fixture(scope="session")
def spat_frames() -> list[bytes]:
    """Three different SPAT frames of J2735, smallest first."""
    frames = {v["hex"] for v in read_vectors("j2735.json") if v["message"] == "SPAT"}
    return [bytes.fromhex(text) for text in sorted(frames, key=len)[:3]]


@pytest.fixture(scope="session")
def map_frame() -> bytes:
    """A MAP frame of J2735 that fits one immediate forward."""
    frames = [v["hex"] for v in read_vectors("j2735.json") if v["message"] == "MapData"]
    return bytes.fromhex(min(frames, key=len))


Mosquitto = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture
def mosquitto(tmp_path: Path, optional_part: Callable[[str, bool], None]) -> Mosquitto:
    """Runs a Mosquitto on a free loopback port that lets given users in, by name and password.

    tls: folder with `ca.pem`, `broker.pem` and `broker.key`; it speaks TLS then. both: clients need a
    certificate too.
    """
    optional_part("mosquitto", shutil.which("mosquitto") is not None)
    return lambda users, **more: _running(tmp_path, users, **more)


@asynccontextmanager
async def _running(
    folder: Path, users: Mapping[str, str], *, tls: Path | None = None, both: bool = False
) -> AsyncIterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    for name, password in users.items():
        maker = await asyncio.create_subprocess_exec("mosquitto_passwd", "-b", passwords, name, password)
        assert await maker.wait() == 0
    config = folder / "mosquitto.conf"
    lines: tuple[str, ...] = (
        f"listener {port} 127.0.0.1",
        "allow_anonymous false",
        f"password_file {passwords}",
    )
    if tls is not None:
        names = (f"cafile {tls}/ca.pem", f"certfile {tls}/broker.pem", f"keyfile {tls}/broker.key")
        lines = (*lines, *names, f"require_certificate {'true' if both else 'false'}")
    config.write_text(
        "\n".join((*lines, "log_dest stderr", "persistence false", "user root")) + "\n", "utf-8"
    )
    with (folder / "mosquitto.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(shutil.which("mosquitto")), "-c", config, stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not await _answers(port):
                assert process.returncode is None, (folder / "mosquitto.log").read_text("utf-8")
                await asyncio.sleep(0.02)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
