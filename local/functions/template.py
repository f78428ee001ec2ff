"""A template as CloudFormation and SAM resolve it, for given parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_NO_VALUE = object()


class Template:
    """`names`: the values of `Ref` for resources and pseudo parameters (`AWS::StackName`)."""

    def __init__(self, template: Mapping[str, Any], *, parameters: Mapping[str, str], names: Mapping[str, str]) -> None:
        defaults = {name: entry["Default"] for name, entry in template["Parameters"].items() if "Default" in entry}
        self.resources = template["Resources"]
        self._globals = template.get("Globals", {}).get("Function", {})
        self._conditions = template.get("Conditions", {})
        self._references = {**defaults, **parameters, **names, "AWS::NoValue": _NO_VALUE}

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """By logical id, the properties of each function that a local run needs."""
        wanted = ("Environment", "Handler", "MemorySize", "Runtime", "Timeout")
        found = {}
        for name, resource in self.resources.items():
            if resource["Type"] == "AWS::Serverless::Function":
                merged = _merged(self._globals, resource["Properties"])
                found[name] = {key: self.value(merged[key]) for key in wanted}
        return found

    def value(self, node: Any) -> Any:
        """`node` with its intrinsic functions resolved. Raises KeyError for a name without a value."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(name, argument)] = node.items()
            if name in self._intrinsic:
                return self._intrinsic[name](argument)
        values = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not _NO_VALUE}

    @property
    def _intrinsic(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "Ref": lambda name: self._references[name],
            "Condition": lambda name: self.value(self._conditions[name]),
            "Fn::If": lambda args: self.value(args[1] if self.value(self._conditions[args[0]]) else args[2]),
            "Fn::Equals": lambda args: self.value(args[0]) == self.value(args[1]),
            "Fn::Not": lambda args: not self.value(args[0]),
            "Fn::And": lambda args: all(map(self.value, args)),
            "Fn::Or": lambda args: any(map(self.value, args)),
            "Fn::Sub": lambda text: re.sub(r"\$\{([^}]+)}", lambda match: str(self._references[match[1]]), text),
        }


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """SAM's rule for Globals: objects are merged, and the function's own values win."""
    merged = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], dict) and isinstance(over[key], dict):
            merged[key] = _merged(base[key], over[key])
    return merged
