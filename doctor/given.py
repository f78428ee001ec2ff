"""The settings given in the environment: the caller's, for a local run, or that of the deployed functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.errors import BadSettings
from chalicelib.settings import Settings
from doctor.findings import Finding, broken, ok, warning
from doctor.functions import FunctionFacts
from local import check


@dataclass(frozen=True, kw_only=True)
class SettingsFacts:
    """`faults`: as a start would print them. `slips`: names that look like misspelt settings."""

    faults: tuple[str, ...]
    slips: tuple[str, ...]


def gather(environ: Mapping[str, str]) -> SettingsFacts:
    return SettingsFacts(faults=_faults(lambda: check.settings(environ)), slips=tuple(check.slips(environ)))


def gather_deployed(functions: FunctionFacts) -> SettingsFacts:
    faults, slips = dict[str, None](), dict[str, None]()
    for function in functions.functions:
        variables = function.configuration.get("Environment", {}).get("Variables", {})
        faults |= dict.fromkeys(_faults(functools.partial(Settings.from_environment, variables)))
        slips |= dict.fromkeys(check.slips(variables))
    return SettingsFacts(faults=tuple(faults), slips=tuple(slips))


def _faults(read: Callable[[], object]) -> tuple[str, ...]:
    try:
        read()
    except BadSettings as error:
        return error.faults
    return ()


def settings(facts: SettingsFacts) -> list[Finding]:
    found = [broken("settings", line, "set another value, or none: a start refuses this one") for line in facts.faults]
    found += [warning("settings", line, "rename it, or unset it") for line in facts.slips]
    return found or [ok("settings", "all of them can be gone by")]
