"""A section of the doctor: how it gathers facts about a part of a stack, and the pure checks that judge them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from doctor.findings import Finding, broken

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Section(Generic[Facts]):
    """`remedy`: what to do if the facts cannot be gathered. A check returns one finding, several, or none.

    `vital`: without its facts no other section makes sense.
    """

    name: str
    gather: Callable[[], Facts]
    checks: Sequence[Callable[[Facts], Finding | Iterable[Finding] | None]]
    remedy: str
    vital: bool = False


def examine(sections: Iterable[Section[Any]]) -> Iterator[Finding]:
    """Every finding. Facts that cannot be gathered are one; unless the section is vital, the others go on."""
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
