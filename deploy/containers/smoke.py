#!/usr/bin/env python3
"""Run each image once as its user, without a container engine: exit 1 where one is not well.

Checks that the part answers /healthz, that nothing of it runs as root, how much memory its processes have,
and that SIGTERM ends it in order. Needs buildah and the images of `deploy/containers/build`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILDAH = ["buildah", "--storage-driver", "vfs"]
START_S, END_S = 60.0, 20.0
UID = "10001"
PARTS = {
    "cloud": (["wayside", "cloud", "--config", "/etc/wayside/cloud.yaml"], 8080),
    "edge": (["wayside", "mec", "--site", "/etc/wayside/site.yaml"], 47080),
}


def main() -> int:
    wrong = [f"{part}: {fault}" for part in sys.argv[1:] or PARTS for fault in smoke(part)]
    for fault in wrong:
        print(f"not well: {fault}", file=sys.stderr)
    return 1 if wrong else 0


def smoke(part: str) -> Iterator[str]:
    """What is wrong with one image."""
    command, port = PARTS[part]
    with tempfile.TemporaryDirectory(prefix="wayside-smoke-") as folder, container(part) as name:
        config, secret_files = configured(part, Path(folder))
        log = Path(folder) / "log"
        words = [*BUILDAH, "run", "--isolation", "chroot", "--user", f"{UID}:{UID}"]
        words += ["-v", f"{config}:/etc/wayside:ro", "-v", f"{secret_files}:/run/secrets:ro", name, "--"]
        with log.open("wb") as out:
            process = subprocess.Popen([*words, *command], stdout=subprocess.DEVNULL, stderr=out)
        try:
            began = time.monotonic()
            said = answer(port, "/healthz", process, log)
            if said:
                yield said
                return
            took_s = time.monotonic() - began
            # Without what buildah itself puts before the part under the same user.
            mine = [p for p in tree(process.pid) if user(p) == UID and command_line(p).startswith("/opt/")]
            roots = [command_line(pid) for pid in tree(process.pid) if user(pid) == "0"]
            if not mine:
                yield "no process of the image's user"
            for line in roots:
                if "buildah" not in line:
                    yield f"runs as root: {line}"
            rss_mb = sum(resident_mb(pid) for pid in mine)
            print(
                f"{part}: healthy after {took_s:.1f} s, {len(mine)} processes of uid {UID}, {rss_mb:.0f} MB"
            )
            if rss_mb > 1_000:
                yield f"{rss_mb:.0f} MB resident, limit 1000"
            os.kill(min(mine), signal.SIGTERM)
            try:
                code = process.wait(END_S)
            except subprocess.TimeoutExpired:
                yield f"still there {END_S:.0f} s after SIGTERM"
                return
            print(f"{part}: ended in order" if code == 0 else f"{part}: ended with {code}")
            if code != 0:
                yield f"SIGTERM ended it with {code}: {tail(log)}"
        finally:
            for pid in reversed(tree(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def container(part: str) -> Iterator[str]:
    """A working container of an image."""
    name = subprocess.run(
        [*BUILDAH, "from", f"wayside-{part}:latest"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    try:
        yield name
    finally:
        subprocess.run([*BUILDAH, "rm", name], check=True, stdout=subprocess.DEVNULL)


def configured(part: str, folder: Path) -> tuple[Path, Path]:
    """Configuration of the deployment files, and secrets of this run."""
    config, secret_files = folder / "config", folder / "secrets"
    shutil.copytree(ROOT / "deploy/kubernetes" / part, config)
    secret_files.mkdir()
    for name in ("cloud_token", "operator_token", "link_token"):
        (secret_files / name).write_text(secrets.token_hex(16), "utf-8")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return config, secret_files


def answer(port: int, path: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until a path answers 200; "" or what was wrong."""
    last, end = "no answer", time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            return f"ended with {process.returncode}: {tail(log)}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2.0):
                return ""
        except urllib.error.HTTPError as error:
            last = f"{path} answers {error.code}: {error.read(400).decode(errors='replace')}"
        except OSError as error:
            last = f"{path}: {error}"
        time.sleep(0.2)
    return last


def tail(log: Path) -> str:
    """What a process said last."""
    return log.read_text("utf-8", errors="replace")[-800:]


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    out = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text("ascii").split():
                out += tree(int(child))
    return out


def status(pid: int, key: str) -> str:
    """A line of /proc/PID/status; "" when the process is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines():
            if line.startswith(f"{key}:"):
                return line.partition(":")[2].strip()
    return ""


def user(pid: int) -> str:
    """Real user id of a process."""
    return (status(pid, "Uid").split() or [""])[0]


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int((status(pid, "VmRSS").split() or ["0"])[0]) / 1_000.0


def command_line(pid: int) -> str:
    """Command line of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


if __name__ == "__main__":
    sys.exit(main())
