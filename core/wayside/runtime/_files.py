from __future__ import annotations

import contextlib


def allow_open_files() -> int:
    """Raise this process's limit of open files as far as the system lets it; the limit now.

    A shell's usual 1,024 is less than the connections that a server here may hold.
    """
    import resource  # of servers' systems only; the vehicle's part runs elsewhere too

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
