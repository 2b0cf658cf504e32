"""`wayside check`: is a site file sound, and what does it come to?"""

from __future__ import annotations

import argparse
import json
import sys

_EPILOG = """examples:
  wayside check deploy/demo/site.yaml
  wayside check deploy/demo/site.yaml --json
  wayside check --schema > site.schema.json"""


def register_check(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check` to the commands."""
    parser = subparsers.add_parser(
        "check",
        help="validate a site file and show its effective values",
        description="Validate a site file: all errors with line, key and reason, or all effective values.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", help="the site file")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of a site file")
    parser.set_defaults(func=_check)


def _check(args: argparse.Namespace) -> int:
    from wayside.mec.site import SiteError, load_site, site_schema

    if args.schema:
        print(json.dumps(site_schema(), indent=2))
        return 0
    if not args.file:
        print("wayside check: a file is needed, or --schema", file=sys.stderr)
        return 2
    try:
        site = load_site(args.file)
    except SiteError as error:
        if args.json:
            problems = [problem._asdict() for problem in error.problems]
            print(json.dumps({"file": error.file, "ok": False, "problems": problems}))
        else:
            print(error, file=sys.stderr)
        return 1
    if args.json:
        answer = {"file": args.file, "ok": True, "warnings": site.warnings(), "site": site.effective()}
        print(json.dumps(answer))
        return 0
    for warning in site.warnings():
        print(f"{args.file}: warning: {warning}", file=sys.stderr)
    import yaml

    print(yaml.safe_dump(site.effective(), sort_keys=False, allow_unicode=True), end="")
    return 0
