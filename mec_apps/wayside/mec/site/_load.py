from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from wayside.mec.site._check import Checks, suggestion
from wayside.mec.site._models import SiteModel
from wayside.mec.site._reasons import SiteError, SiteProblem, SiteReason
from wayside.mec.site._secrets import SECRET_ADVICE
from wayside.mec.site._site import Site
from wayside.mec.site._yaml import MAX_BYTES, Document, key_text, read_yaml
from wayside.rsu import VendorInfo
from wayside.rsu import known_vendors as rsu_vendors

if TYPE_CHECKING:
    from wayside.mec.apps import Parameters

_REASONS = {
    "missing": SiteReason.MISSING_KEY,
    "extra_forbidden": SiteReason.UNKNOWN_KEY,
    "inline_secret": SiteReason.INLINE_SECRET,
}
_HOPELESS = frozenset({SiteReason.SYNTAX, SiteReason.TOO_LARGE})
_PLACEHOLDER = {
    "version": 1,
    "id": "site",
    "name": "site",
    "origin": {"lat": 0.0, "lon": 0.0},
    "maps": [{"file": "", "dialect": ""}],
}
_ADVICE = {
    "missing": "add it",
    "inline_secret": SECRET_ADVICE,
}


def load_site(
    path: str | Path,
    *,
    apps: Mapping[str, type[Parameters]] | None = None,
    known_vendors: Mapping[str, VendorInfo] | None = None,
) -> Site:
    """Read and check a site file.

    apps: names and parameters of the apps there are; those of the project unless given. known_vendors:
    likewise. Raises SiteError with all problems of the file, each with its line.
    """
    file = Path(path)
    document = read_yaml(_text(file))
    problems = list(document.problems)
    if not isinstance(document.values, dict):
        problems.append(SiteProblem(SiteReason.SYNTAX, 1, "", "the file is no map of keys to values"))
    if any(problem.reason in _HOPELESS for problem in problems):
        raise SiteError(str(file), problems)
    model = _model(document, problems)
    checks = Checks(document, model, file.parent)
    checks.check_numbers_and_names()
    checks.check_signals()
    road_map = checks.check_maps()
    checks.check_signs(road_map)
    devices = checks.check_rsus(rsu_vendors() if known_vendors is None else known_vendors)
    parameters = checks.check_apps(project_apps() if apps is None else apps)
    problems.extend(checks.problems)
    if problems:
        raise SiteError(str(file), problems)
    return Site(file, model, devices=devices, parameters=parameters, road_map=road_map)


def project_apps() -> dict[str, type[Parameters]]:
    """Parameters of the project's apps, by the apps' names."""
    from wayside.mec import apps

    return {
        "evw": apps.EvwParameters,
        "glosa": apps.GlosaParameters,
        "hlw": apps.HlwParameters,
        "icw": apps.IcwParameters,
        "ivs": apps.IvsParameters,
        "lta": apps.LtaParameters,
        "rlvw": apps.RlvwParameters,
        "slw": apps.SlwParameters,
        "tjw": apps.TjwParameters,
        "vrucw": apps.VrucwParameters,
    }


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise SiteError(str(file), [SiteProblem(SiteReason.UNREADABLE, 0, "", what)]) from None
    except UnicodeDecodeError as error:
        what = f"octet {error.start} is no UTF-8"
        raise SiteError(str(file), [SiteProblem(SiteReason.UNREADABLE, 0, "", what)]) from None
    if len(data) > MAX_BYTES:
        what = f"larger than {MAX_BYTES} octets"
        raise SiteError(str(file), [SiteProblem(SiteReason.TOO_LARGE, 0, "", what)])
    return text


def _model(document: Document, problems: list[SiteProblem]) -> SiteModel:
    """The values as a model; sections with problems are left out, so that the others can be checked too."""
    values = dict(document.values)
    try:
        return SiteModel.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    problems.extend(_problem(document, each) for each in errors)
    wrong = {each["loc"][0] for each in errors if each["loc"]}
    sound = {key: value for key, value in values.items() if key not in wrong}
    model = SiteModel.model_validate({**_PLACEHOLDER, **sound})
    return model if "maps" in sound else model.model_copy(update={"maps": ()})


def _problem(document: Document, error: Any) -> SiteProblem:
    kind = str(error["type"])
    path = tuple(part for part in error["loc"] if part != "[key]")
    advice = _ADVICE.get(kind, "")
    what = str(error["msg"])
    if kind == "extra_forbidden":
        what, advice = "unknown key", suggestion(str(path[-1]), _keys_at(path[:-1]))
    elif kind == "missing":
        what = "is missing"
    elif kind != "inline_secret" and isinstance(error.get("input"), str | int | float):
        what = f"{what[:1].lower()}{what[1:]}, not {str(error['input'])[:60]!r}"
    reason = _REASONS.get(kind, SiteReason.BAD_VALUE)
    return SiteProblem(reason, document.line(path), key_text(path), what, advice)


def _keys_at(path: tuple[str | int, ...]) -> list[str]:
    """Names of the keys that a model has at a path."""
    kind: Any = SiteModel
    for part in path:
        if isinstance(part, int) or not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            continue
        field = kind.model_fields.get(part)
        if field is None:
            return []
        kind = _model_in(field.annotation)
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
