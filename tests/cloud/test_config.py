"""The centre's configuration file: all problems at once, each with its line; no secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayside.cloud import CloudReason
from wayside.cloud._config import ConfigError, load_settings
from wayside.cloud._settings import CloudSettings

EXAMPLE = Path(__file__).parents[2] / "deploy" / "cloud.yaml"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with two secrets."""
    (tmp_path / "edges").write_text("edge-secret\n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


def problems(folder: Path, text: str | bytes) -> list[str]:
    file = folder / "cloud.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    assert caught.value.reason is CloudReason.BAD_CONFIG
    return [f"{line} {key}: {what}" for line, key, what in caught.value.problems]


def test_every_member_can_stand_in_the_file_and_the_command_line_wins(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPERATORS", "op-secret")
    file = written / "cloud.yaml"
    file.write_text(
        "host: 0.0.0.0\nport: 9000\ndata: store\ntoken: {file: edges}\noperator_token: {env: OPERATORS}\n"
        "keep_days: 7\nkafka:\n  servers: ['a:9092', 'b:9092']\n  user: w\n  mechanism: PLAIN\n"
        "  password: {file: edges}\n  tls: {authority: ca.pem}\n"
    )
    settings = load_settings(file, {"port": 9001})
    assert (settings.host, settings.port, settings.data) == ("0.0.0.0", 9001, written / "store")
    assert settings.token.get_secret_value() == "edge-secret"
    assert settings.operator_token.get_secret_value() == "op-secret"
    assert settings.kafka is not None and settings.kafka.servers == ("a:9092", "b:9092")
    assert settings.kafka.password.get_secret_value() == "edge-secret"
    assert settings.kafka.tls is not None and settings.kafka.tls.authority == written / "ca.pem"
    assert "secret" not in repr(settings).replace("SecretStr", "")
    assert load_settings(None, {}) == CloudSettings()


@pytest.mark.drops(CloudReason.BAD_CONFIG)
def test_all_problems_are_told_with_their_lines(written: Path) -> None:
    text = "prot: 1\nport: 70000\ntoken: inline\n\nkafka:\n  servers: []\n  grop: x\nport: 2\n"
    assert problems(written, text) == [
        "3 token: a secret does not stand here: give {env: NAME} or {file: path}",
        "8 port: given before",
    ]
    text = "prot: 1\nport: 70000\n\nkafka:\n  servers: []\n"
    told = problems(written, text)
    assert told[0] == "1 prot: unknown key; did you mean port?"
    assert told[1].startswith("2 port: Input should be less than")
    assert told[2].startswith("5 kafka.servers: ")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("token: {file: none}", "1 token: none: No such file"),
        ("token: {file: empty}", "1 token: empty is empty"),
        ("token: {env: WAYSIDE_NO_SUCH}", "1 token: the environment has no"),
        ("token: {env: A, file: b}", "1 token: a secret does not stand here"),
        ("host: 0.0.0.0", "1 : Value error, a token is needed"),
        ("- a", "1 : the file is no map"),
        ("a: [", "1 : no YAML"),
        ("\n\nhost: !!python/object:os.system {}", "3 host: "),
        ("host: !!binary aGk=", "1 host: a value of a type"),
        ("host: !!int x", "1 host: "),
        ("? [a]\n: 1", "1 : a key that is no plain word"),
        ("a: " + "[" * 30 + "]" * 30, "1 a[0][0][0][0][0][0]: too much, or nested too deeply"),
        ("[" * 5_000, "1 : no YAML"),
        (b"\xff", "0 : octet 0 is no UTF-8"),
        (b"#" * 70_000, "0 : larger than"),
    ],
)
def test_bad_input_is_one_clear_problem(written: Path, text: str | bytes, start: str) -> None:
    told = problems(written, text)
    # A map under a foreign tag is a map: nothing is ever constructed.
    assert told[0].startswith(start)


def test_an_alias_that_unfolds_without_end_is_cut_off(written: Path) -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in ("ab", "bc", "cd")
    )
    assert any("too much" in line for line in problems(written, text))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml", {})


def test_the_example_is_sound(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    text = EXAMPLE.read_text()
    for name in ("cloud_token", "operator_token"):
        text = text.replace(f"/run/secrets/{name}", str(tmp_path / "secret"))
    (tmp_path / "cloud.yaml").write_text(text)
    settings = load_settings(tmp_path / "cloud.yaml", {})
    assert settings.kafka is not None and settings.kafka.replication == 1


def test_the_centre_s_page_has_every_key() -> None:
    text = (EXAMPLE.parents[1] / "docs" / "centre.md").read_text("utf-8")
    for key in CloudSettings.model_fields:
        assert f"`{key}`" in text, key
