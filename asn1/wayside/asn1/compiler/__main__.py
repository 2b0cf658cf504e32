"""`python -m wayside.asn1.compiler [--check] [DIALECT ...]`: build the shipped tables, or prove them."""

import argparse
import sys

from wayside.asn1._errors import TableError
from wayside.asn1._sources import MODULES

from . import build_folder, table_bytes, table_path


def main(argv: list[str] | None = None) -> int:
    """Returns 0; 1 when a table cannot be built, or with --check differs from its sources."""
    parser = argparse.ArgumentParser(
        prog="python -m wayside.asn1.compiler",
        description="Build the tables of the dialects from their module texts.",
        epilog="example: python -m wayside.asn1.compiler --check",
    )
    parser.add_argument("dialect", nargs="*", help="folder names; all without")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when a table is not up to date"
    )
    args = parser.parse_args(argv)
    names = args.dialect or sorted(path.parent.name for path in MODULES.glob("*/dialect.toml"))
    failed = False
    for name in names:
        path = table_path(name)
        try:
            built = table_bytes(build_folder(path.parent))
        except TableError as error:
            print(error, file=sys.stderr)
            failed = True
            continue
        if not args.check:
            path.write_bytes(built)
            print(f"{name}: wrote {path.name}, {len(built)} bytes")
        elif path.is_file() and path.read_bytes() == built:
            print(f"{name}: up to date")
        else:
            print(
                f"{name}: {path.name} is not what the sources give; run this without --check", file=sys.stderr
            )
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
