"""A part of a stack: how its facts are gathered, at the edge, and the checks that judge them, which are pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from doctor.findings import Finding, broken

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Section(Generic[Facts]):
    """`remedy` is what to do where the facts cannot be had. A check answers one finding, several, or none.

    `vital`: without its facts there is nothing else to look at.
    """

    name: str
    gather: Callable[[], Facts]
    checks: Sequence[Callable[[Facts], Finding | Iterable[Finding] | None]]
    remedy: str
    vital: bool = False


def examine(sections: Iterable[Section[Any]]) -> Iterator[Finding]:
    """Every finding. What cannot be gathered is one, and keeps no other section from being looked at."""
    for section in sections:
        try:
            facts = section.gather()
        except Exception as error:  # botocore's and redis-py's have no common root
            yield broken(section.name, f"cannot be looked at: {error}", section.remedy)
            if section.vital:
                return
            continue
        for check in section.checks:
            found = check(facts)
            if isinstance(found, Finding):
                yield found
            else:
                yield from found or ()
