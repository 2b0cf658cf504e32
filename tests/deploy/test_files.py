"""The deployment files are well formed by the rules of those who will read them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
TOOLS = Path(sys.executable).parent
MANIFESTS = sorted(
    path for path in (DEPLOY / "kubernetes").rglob("*.yaml") if path.parent.name != "kubernetes"
)
# Of a Wayside part or of kustomize itself, not of Kubernetes.
OWN = {"kustomization.yaml", "site.yaml", "cloud.yaml"}


def run(*words: str | Path) -> str:
    """Output of a tool that must succeed."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_container_file_passes_the_linter() -> None:
    run(TOOLS / "hadolint", DEPLOY / "containers/Containerfile")


def test_compose_file_fits_its_schema() -> None:
    run(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


@pytest.mark.parametrize(
    "path", [p for p in MANIFESTS if p.name not in OWN], ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_manifest_fits_kubernetes(path: Path) -> None:
    run(TOOLS / "kubernetes-validate", "--strict", "--quiet", path)


@pytest.mark.parametrize("part", ["edge", "cloud"])
def test_kustomization_names_what_is_there(part: str) -> None:
    folder = DEPLOY / "kubernetes" / part
    said = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    named = {*said["resources"], *said["configMapGenerator"][0]["files"]}
    assert named == {path.name for path in folder.iterdir()} - {"kustomization.yaml"}


@pytest.mark.parametrize("part", ["edge", "cloud"])
def test_pod_has_no_rights_that_it_does_not_need(part: str) -> None:
    pod = yaml.safe_load((DEPLOY / "kubernetes" / part / "deployment.yaml").read_text("utf-8"))["spec"][
        "template"
    ]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    assert container["resources"]["limits"] == {"memory": "1Gi"}


def test_images_run_as_their_own_user_and_say_whether_they_are_well() -> None:
    text = (DEPLOY / "containers/Containerfile").read_text("utf-8")
    for target in ("edge", "cloud"):
        stage = re.split(r"^FROM ", text, flags=re.MULTILINE)[-2 if target == "edge" else -1]
        assert stage.startswith(f"base AS {target}")
        assert "HEALTHCHECK" in stage and "USER root" not in stage
    assert "USER 10001:10001" in text


def test_secrets_are_files_and_never_in_the_files() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert {secret["file"].split("/")[1] for secret in compose["secrets"].values()} == {"secrets"}
    for name in ("edge", "cloud"):
        service = compose["services"][name]
        assert set(service["secrets"]) <= set(compose["secrets"])
        assert "environment" not in service
        assert service["read_only"] and service["cap_drop"] == ["ALL"]


def test_edge_of_the_manifests_has_the_corridors_map() -> None:
    assert (DEPLOY / "kubernetes/edge/map.hex").read_bytes() == (
        DEPLOY / "corridor/maps/tongyan-j2735-2024.hex"
    ).read_bytes()


def test_site_of_the_manifests_passes_its_check(tmp_path: Path) -> None:
    (tmp_path / "link_token").write_text("0123456789abcdef", "utf-8")
    text = (DEPLOY / "kubernetes/edge/site.yaml").read_text("utf-8").replace("/run/secrets", str(tmp_path))
    (tmp_path / "site.yaml").write_text(text, "utf-8")
    (tmp_path / "map.hex").write_bytes((DEPLOY / "kubernetes/edge/map.hex").read_bytes())
    run(TOOLS / "wayside", "check", tmp_path / "site.yaml")
