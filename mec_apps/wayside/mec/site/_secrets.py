from __future__ import annotations

import os
from pathlib import Path

from wayside.mec.site._models import Secret

SECRET_ADVICE = "give env: NAME or file: PATH, and set the secret there"
_WORDS = ("password", "passwd", "passphrase", "secret", "token", "private_key", "community")


class SecretError(ValueError):
    """A secret that is not where it should be; the text names the place, never the secret."""


def is_secret_name(key: str) -> bool:
    """Whether a vendor's key of this name holds a secret."""
    return any(word in key.lower() for word in _WORDS)


def read_secret(where: Secret, folder: Path) -> str:
    """The secret, without surrounding white space. Raises SecretError."""
    if where.env is not None:
        value, name = os.environ.get(where.env, ""), f"environment variable {where.env}"
    else:
        name = f"file {where.file}"
        try:
            value = (folder / str(where.file)).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            value = ""
    if not value.strip():
        raise SecretError(f"{name} is missing or empty")
    return value.strip()
