from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
_VERSION = "4.1.1"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FETCH_S = 600.0


class KafkaMissing(Exception):
    """There is no Java, or the jars are neither here nor to be had; the text says what to do."""


def jar_folder() -> Path:
    """Where the jars are kept: WAYSIDE_KAFKA_JARS, else a folder of the user's cache."""
    named = os.environ.get("WAYSIDE_KAFKA_JARS")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "wayside" / f"kafka-{_VERSION}"


def can_run() -> bool:
    """Whether a broker can be run here: Java, and the jars or Maven to fetch them."""
    return shutil.which("java") is not None and (_fetched() or shutil.which("mvn") is not None)


def _fetched() -> bool:
    return any(jar_folder().glob("kafka_*.jar"))


def fetch_jars() -> Path:
    """Folder of the jars, fetched from Maven Central (44 MB) the first time. Raises KafkaMissing."""
    if shutil.which("java") is None:
        raise KafkaMissing("Kafka needs Java 17 or newer: install a JRE")
    folder = jar_folder()
    if _fetched():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissing(f"no jars in {folder}, and no Maven to fetch them: install mvn")
    folder.parent.mkdir(parents=True, exist_ok=True)
    print("fetching Apache Kafka from Maven Central (44 MB, once) …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as new:
        jars = Path(new) / "lib"
        command = [maven, "-B", "-q", "-f", str(HERE / "pom.xml"), _COPY, "-DincludeScope=runtime"]
        try:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={jars}"], capture_output=True, timeout=_FETCH_S, cwd=new
            )
        except subprocess.TimeoutExpired:
            raise KafkaMissing(f"Maven did not fetch the jars within {_FETCH_S:g} s") from None
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
            raise KafkaMissing(f"Maven could not fetch the jars: {said[0] if said else done.returncode}")
        if not _fetched():
            shutil.rmtree(folder, ignore_errors=True)
            jars.rename(folder)
    return folder
