"""The mutation tester itself: mutants of Lua, how a mutant is applied, and what counts as equivalent."""

from __future__ import annotations

import os
import re

import pytest

from chalicelib.store import scripts
from tests.mutation import baseline, lua, patch, report
from tests.mutation.mutant import Mutant, files, read

TEXT = """-- a comment with if and == and 1
local a = x == 1 and 'Q' or 'R'
if not a then return end
redis.call('ZADD', DUE, now + 2, node)
instance.running = instance.running - 1
if a then note(now, { event = 'b' }) end
"""


def made(text: str) -> set[str]:
    """Return each mutant by its line before and after."""
    return {" => ".join(one.diff(text)) for one in lua.mutants("lua", "x.lua", text)}


def test_lua_is_broken_token_by_token_and_statement_by_statement() -> None:
    zadd, minus = "redis.call('ZADD', DUE, now + 2, node)", "instance.running = instance.running - 1"
    choice, note = "local a = x == 1 and 'Q' or 'R'", "if a then note(now, { event = 'b' }) end"
    expected = {
        *(
            f"{choice} => {after}"
            for after in (
                "local a = x ~= 1 and 'Q' or 'R'",
                "local a = x == 2 and 'Q' or 'R'",
                "local a = x == 0 and 'Q' or 'R'",
                "local a = x == 1 or 'Q' or 'R'",
                "local a = x == 1 and 'XQ' or 'R'",
                "local a = x == 1 and 'Q' and 'R'",
                "local a = x == 1 and 'Q' or 'XR'",
            )
        ),
        *(f"if not a then return end => if {condition} then return end" for condition in ("true", "false", " a")),
        f"{zadd} => ",
        *(
            f"{zadd} => redis.call('ZADD', {rest})"
            for rest in (
                "DUE, now - 2, node",
                "DUE, now + 3, node",
                "DUE, now + 1, node",
                "now + 2, DUE, node",
                "DUE, node, now + 2",
            )
        ),
        f"{minus} => ",
        *(f"{minus} => instance.running = instance.running {rest}" for rest in ("+ 1", "- 2", "- 0")),
        *(f"{note} => if {condition} then note(now, {{ event = 'b' }}) end" for condition in ("true", "false")),
        f"{note} => if a then  end",
        f"{note} => if a then note({{ event = 'b' }}, now) end",
        f"{note} => if a then note(now, {{ event = 'Xb' }}) end",
    }
    assert made(TEXT) == expected


def test_members_of_a_set_are_not_swapped() -> None:
    for command in ("'HDEL', META", "'DEL'", "'ZREM', DUE"):
        line = f"redis.call({command}, 'a', 'b')"
        assert made(line) == {
            f"{line} => {after}" for after in ("", line.replace("'a", "'Xa"), line.replace("'b", "'Xb"))
        }


def test_every_script_has_mutants_and_no_comment_is_one() -> None:
    for file in files("lua"):
        text = read(file)
        mutants = list(lua.mutants("lua", file, text))
        assert mutants, file
        for one in mutants:
            before, _ = one.diff(text)
            assert not re.match(r"--", before), one


def in_a_fork(check: object) -> bool:
    """Return whether `check()` is true in a process of its own, since a mutant stays in the process."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = 0 if check() else 1  # type: ignore[operator]
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def python(file: str, old: str, new: str) -> Mutant:
    text = read(file)
    assert text.count(old) == 1
    return Mutant.of("core", file, text, text.replace(old, new))


def test_a_python_mutant_is_in_every_place_that_has_the_function() -> None:
    from chalicelib.core.retry import Retry
    from scheduler.dispatch import BATCH, InlineDispatch

    policy = Retry(max_attempts=2)

    def function() -> bool:
        mutant = python("chalicelib/core/retry.py", "failures >= self.max_attempts", "failures > self.max_attempts")
        return patch.put_in(mutant) and policy.delay_ms(2, lambda low, high: high) is not None

    def constant() -> bool:
        import scheduler.dispatch

        assert patch.put_in(python("scheduler/dispatch.py", "BATCH = 10", "BATCH = 11"))
        return BATCH == 10 and scheduler.dispatch.BATCH == 11 and isinstance(InlineDispatch, type)

    def default() -> bool:
        from chalicelib.handlers import registry  # noqa: F401
        from chalicelib.store.definitions import Definitions

        assert patch.put_in(python("chalicelib/store/definitions.py", "size: int = 128", "size: int = 129"))
        return Definitions(None)._size == 129  # type: ignore[arg-type]

    assert in_a_fork(function) and in_a_fork(constant) and in_a_fork(default)
    assert policy.delay_ms(2, lambda low, high: high) is None


def test_a_file_without_functions_is_reached_by_the_tests_of_those_that_import_it() -> None:
    file, importer = "chalicelib/core/records.py", "chalicelib/store/replies.py"
    tests = {
        "of it": baseline.Test(1, {importer: [43]}, [], False, ""),
        "other": baseline.Test(1, {"chalicelib/ids.py": [9]}, [], False, ""),
    }
    kept = baseline.Baseline("", tests)
    mutant = python(file, "forgotten: int = 0", "forgotten: int = 1")
    assert kept.tests_for(mutant, read(file)) == ["of it"]

    def default() -> bool:
        from chalicelib.core.records import Snapshot

        assert patch.put_in(mutant)
        return Snapshot("in-1", "ex-1", "RUNNING", {}, 5, None, None, None, None).forgotten == 1

    assert in_a_fork(default)


def test_a_lua_mutant_is_in_every_store_that_is_made_from_then_on() -> None:
    file = "chalicelib/store/lua/lib/history.lua"
    text = read(file)
    mutant = Mutant.of("lua", file, text, text.replace("HISTORY_MOST = 1000", "HISTORY_MOST = 7"))

    def in_all() -> bool:
        patch.put_in(mutant)
        made = scripts.Scripts(None)
        return "HISTORY_MOST = 7" in made._source["pause"] and "HISTORY_MOST" not in made._source["extend"]

    assert in_a_fork(in_all)
    assert "HISTORY_MOST = 1000" in scripts.Scripts(None)._source["pause"]
    assert {"pause", "resume", "rerun"} <= patch.scripts_with(file) and "read" not in patch.scripts_with(file)


@pytest.mark.parametrize("number", range(len(report.equivalents())))
def test_every_equivalent_is_of_a_line_that_is_there_and_says_why(number: int) -> None:
    one = report.equivalents()[number]
    assert set(one) <= {"file", "line", "new", "reason"}
    assert one["line"] in read(one["file"]) and len(one["reason"]) > 10


def test_an_equivalent_is_known_by_its_text_wherever_it_stands() -> None:
    file = "chalicelib/core/retry.py"
    known = [{"file": file, "line": "if failures >= self.max_attempts:", "new": "failures > self", "reason": "x"}]
    line, same = "failures >= self.max_attempts", "failures > self.max_attempts"
    assert report.is_equivalent(python(file, line, same), known)
    assert not report.is_equivalent(python(file, line, "failures <= self.max_attempts"), known)
    assert not report.is_equivalent(python(file, "round(1000 *", "round(1001 *"), known)
