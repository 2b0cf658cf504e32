from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import pytest


@pytest.fixture(scope="session")
def libsumo(optional_part: Callable[[str, bool], None]) -> None:
    """Skips the test, or fails it where nothing may be missing, on a machine without libsumo."""
    optional_part("libsumo", find_spec("libsumo") is not None)
