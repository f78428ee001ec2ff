"""The mutants of a Python file, by mutmut's operators and two of our own."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable

import libcst as cst
from libcst.metadata import MetadataWrapper
from mutmut.mutation import mutators
from mutmut.mutation.file_mutation import Mutation, MutationVisitor
from mutmut.mutation.pragma_handling import IgnoredCode

from tests.mutation.mutant import Mutant

LOGGERS = re.compile(r"^_?log(ger)?$")

# What only tells readers, and checks, what always holds; and the comma that mutmut leaves where it was.
HINTS = re.compile(r",?\s*\b(strict|usedforsecurity)=\w+|,\s*(?=\))")


def mutants(package: str, file: str, text: str) -> list[Callable[[], Mutant | None]]:
    """Yield a function for each mutation, since making it takes a while. It returns None for the same program."""
    visitor = _Visitor(OPERATORS, IgnoredCode(set(), set(), set()), None)
    module = MetadataWrapper(cst.parse_module(text)).visit(visitor)
    return [functools.partial(_make, package, file, text, module, mutation) for mutation in visitor.mutations]


def _make(package: str, file: str, text: str, module: cst.Module, mutation: Mutation) -> Mutant | None:
    after = module.deep_replace(mutation.original_node, mutation.mutated_node).code
    same = HINTS.sub("", after) == HINTS.sub("", text)
    return None if same or not _compiles(after) else Mutant.of(package, file, text, after)


class _Visitor(MutationVisitor):
    """Visits decorated functions as well: mutmut leaves them out only because of its trampolines."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Import | cst.ImportFrom | cst.Annotation | cst.Decorator):
            return True
        if isinstance(node, cst.FunctionDef):
            return False
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            owner = node.func.value
            name = owner.attr if isinstance(owner, cst.Attribute) else owner
            if isinstance(name, cst.Name) and LOGGERS.match(name.value):
                return True
        return bool(super()._skip_node_and_children(node))


def string(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """Change a string that is one word, since sentences are for people."""
    if isinstance(node, cst.SimpleString) and " " not in node.value and len(node.value) > 2:
        yield from list(mutators.operator_string(node))[:1]


def dropped_call(node: cst.Expr) -> Iterable[cst.BaseSmallStatement]:
    """Leave out a call that is made only for its effect."""
    if isinstance(node.value, cst.Call):
        yield cst.Pass()


def swapped_arguments(node: cst.Call) -> Iterable[cst.Call]:
    """Swap two neighbours that are passed by position, where their order matters."""
    if isinstance(node.func, cst.Name) and node.func.value in ("min", "max"):
        return
    for i, (left, right) in enumerate(zip(node.args, node.args[1:], strict=False)):
        if not (left.keyword or right.keyword or left.star or right.star):
            swapped = [left.with_changes(value=right.value), right.with_changes(value=left.value)]
            yield node.with_changes(args=[*node.args[:i], *swapped, *node.args[i + 2 :]])


OPERATORS = [(of, operator) for of, operator in mutators.mutation_operators if operator is not mutators.operator_string]
OPERATORS += [(cst.BaseString, string), (cst.Expr, dropped_call), (cst.Call, swapped_arguments)]


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True
