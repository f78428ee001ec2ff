"""`python -m doctor [--stage STAGE] [--json]`: exits with 0 if all is well, 1 after warnings, 2 if something is broken.

With `--instance ID` it shows instead what that instance waits for.
"""

from __future__ import annotations

import argparse
import json
import sys

import doctor
from chalicelib.errors import BadSettings
from doctor import instance
from doctor.findings import Finding, Level

MARKS = {Level.OK: "ok     ", Level.WARNING: "warning", Level.BROKEN: "BROKEN "}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m doctor", description="What is wrong with a stack, and what to do.")
    parser.add_argument("--stage", help="a deployed stage, such as prod; without it, the local stack of DATA_DIR")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of lines")
    parser.add_argument("--instance", metavar="ID", help="an instance that seems stuck: show what it waits for")
    options = parser.parse_args(arguments)
    if options.instance:
        try:
            print(instance.as_text(instance.gather(doctor.settings(options.stage or None), options.instance)))
        except (LookupError, BadSettings) as error:
            print(error, file=sys.stderr)
            return 2
        return 0
    found = doctor.run(options.stage or None)
    print(as_json(found) if options.json else as_text(found))
    return doctor.exit_code(found)


def as_text(found: list[Finding]) -> str:
    """A line for each check, and below it what to do."""
    width = max(len(finding.check) for finding in found)
    lines = []
    for finding in found:
        lines.append(f"{MARKS[finding.level]}  {finding.check:<{width}}  {finding.says}")
        if finding.do:
            lines.append(f"{'':7}  {'':{width}}  -> {finding.do}")
    counts = [sum(finding.level is level for finding in found) for level in Level]
    return "\n".join([*lines, "", f"{counts[0]} ok, {counts[1]} warnings, {counts[2]} broken"])


def as_json(found: list[Finding]) -> str:
    """{"level": "...", "findings": [{"check", "level", "says", "do"}, ...]}"""
    level = Level(doctor.exit_code(found)).name.lower()
    return json.dumps({"level": level, "findings": [finding.as_dict() for finding in found]}, indent=2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
