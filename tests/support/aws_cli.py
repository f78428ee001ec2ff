"""The part of the AWS CLI that docs/operate.md uses, from botocore's own models: so its commands are checked, and run
against LocalStack, where no CLI is installed.

`python -m tests.support.aws_cli [--endpoint-url URL] SERVICE OPERATION --parameter value ...
[--query Q] [--output text]`
"""

from __future__ import annotations

import functools
import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import botocore.session
import jmespath
from botocore import xform_name

# Commands that the CLI adds to the services' operations, with the options from its documentation.
CUSTOM = {("logs", "tail"): {"since", "filter-pattern", "follow", "format"}}
GLOBAL = {"query", "output", "region", "profile", "endpoint-url", "cli-binary-format", "max-items"}


class Wrong(ValueError):
    """AWS has no such service, operation or parameter, or the parameter does not accept the value."""


@functools.cache
def model(service: str) -> Any:
    try:
        return botocore.session.get_session().get_service_model(service)
    except Exception as error:
        raise Wrong(f"no service {service}") from error


def commands(text: str) -> Iterator[list[str]]:
    """Yield every `aws ...` in a piece of shell, as words; substitutions stay as they are written."""
    for match in re.finditer(r"(?<![\w/\"-])aws (?=[a-z0-9-]+ [a-z])", text):
        words, depth = [], 0
        lexer = shlex.shlex(text[match.start() :].split("\n", 1)[0], posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        for word in _words(lexer):
            if word and set(word) <= set("();<>|&"):
                depth += word.count("(") - word.count(")")
                if depth < 0 or (depth == 0 and ")" not in word):
                    break
            elif depth == 0:
                words.append(word)
        yield words


def _words(lexer: shlex.shlex) -> Iterator[str]:
    try:
        yield from lexer
    except ValueError:  # the command is inside quotes that end after it
        return


def parse(words: Sequence[str]) -> tuple[str, str, dict[str, Any], dict[str, str]]:
    """Parse `aws service operation ...`: service, operation, the method's parameters, global options. Raises Wrong."""
    words = list(words[1:])
    options: dict[str, str] = {}
    while words and words[0].startswith("--"):
        options[words[0][2:]] = words[1]
        del words[:2]
    service, operation, *rest = words
    given = list(_options(rest))
    if (service, operation) in CUSTOM:
        unknown = [name for name, _ in given if name not in CUSTOM[service, operation]]
        if unknown:
            raise Wrong(f"aws {service} {operation} has no --{unknown[0]}")
        return service, operation, {}, options
    if (service, operation) == ("lambda", "invoke"):
        given[-1][1].pop()  # the file for the answer
    names = {xform_name(name, "-"): name for name in model(service).operation_names}
    if operation not in names:
        raise Wrong(f"aws {service} has no {operation}")
    shape = model(service).operation_model(names[operation]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    parameters: dict[str, Any] = {}
    for name, values in given:
        if name in GLOBAL:
            options[name] = values[0]
        elif name in members:
            parameters[members[name]] = _value(shape.members[members[name]], values)
        elif name.startswith("no-") and name[3:] in members:
            parameters[members[name[3:]]] = False
        else:
            raise Wrong(f"aws {service} {operation} has no --{name}")
    missing = [name for name in shape.required_members if name not in parameters]
    if missing:
        raise Wrong(f"aws {service} {operation} needs {missing}")
    return service, operation, parameters, options


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    values: list[str] = []
    name = None
    for word in words:
        if word.startswith("--"):
            if name is not None:
                yield name, values
            name, values = word[2:], []
        else:
            values.append(word)
    if name is not None:
        yield name, values


def _value(shape: Any, values: list[str]) -> Any:
    kind = shape.type_name
    if kind == "boolean":
        return True
    if kind == "list":
        if values[0].startswith("["):
            return json.loads(values[0])
        return [_value(shape.member, [value]) for value in values]
    if len(values) != 1:
        raise Wrong(f"one value is expected, not {values}")
    (value,) = values
    if kind in ("structure", "map"):
        return json.loads(value) if value.startswith("{") else _shorthand(value, shape)
    if kind in ("integer", "long"):
        if not re.fullmatch(r"\d+|\$.*", value):
            raise Wrong(f"{value} is not a number")
        return int(value) if value.isdigit() else value
    allowed = getattr(shape, "enum", None)
    if allowed and "$" not in value and value not in allowed:
        raise Wrong(f"{value} is none of {allowed}")
    return value


def _shorthand(text: str, shape: Any) -> dict[str, Any]:
    """Parse A=b,C={D=e,F=g}."""
    made: dict[str, Any] = {}
    for name, nested, flat in re.findall(r"(\w+)=(?:\{([^}]*)\}|([^,]*))", text):
        known = shape.members if shape.type_name == "structure" else {name: shape.value}
        if name not in known:
            raise Wrong(f"{shape.name} has no {name}")
        made[name] = _shorthand(nested, known[name]) if nested else _value(known[name], [flat])
    return made


def main(words: list[str]) -> int:
    import boto3

    service, operation, parameters, options = parse(["aws", *words])
    client = boto3.client(service, endpoint_url=options.get("endpoint-url"))
    answer = getattr(client, operation.replace("-", "_"))(**parameters)
    answer.pop("ResponseMetadata")
    if "query" in options:
        answer = jmespath.search(options["query"], answer)
    print(answer if options.get("output") == "text" else json.dumps(answer, indent=4, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
