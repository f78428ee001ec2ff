"""The page's pure modules, run in a browser."""

from __future__ import annotations

from typing import Any

import pytest

LINES = '{"a": [1,\n 2],\n "b/c": {"~": "}]\\"",\n  "x": null}}'


@pytest.mark.parametrize(
    ("pointer", "line"),
    [("/a/1", 1), ("/b~1c", 2), ("/b~1c/~0", 2), ("/b~1c/x", 3), ("/b~1c/missing", 2), ("/none", 0), ("", 0)],
)
def test_a_pointer_leads_to_its_line(call: Any, pointer: str, line: int) -> None:
    code = "(m, text, pointer) => m.lineOf(text, m.place(m.places(text), pointer)[0])"
    assert call("pointer", code, LINES, pointer) == line


@pytest.mark.parametrize(
    ("text", "offset"),
    [("", 0), ("{", 1), ('{"a" 1}', 5), ("[1 2]", 3), ('{"a": tru}', 6), ("[1] x", 4), ("[-]", 1), ("{a: 1}", 1)],
)
def test_what_is_no_json_is_refused_where_it_stops_being_json(call: Any, text: str, offset: int) -> None:
    code = "(m, text) => { try { m.places(text); return -1; } catch (error) { return error.offset; } }"
    assert call("pointer", code, text) == offset


def test_nodes_of_one_neighbourhood_are_one_block(call: Any) -> None:
    parents = [[], *([[0]] * 40), list(range(1, 41)), [41], [41]]
    blocks = call("fold", "(m, parents) => m.fold(parents)", parents)
    assert [len(block) for block in blocks] == [1, 40, 1, 1, 1]
    assert blocks[1] == list(range(1, 41))


def test_the_critical_path_follows_the_parent_that_ended_last(call: Any) -> None:
    def ran(start: int, end: int | None) -> dict[str, Any]:
        at = "2026-01-01T00:00:{:02}Z".format
        return {"started_at": at(start), "finished_at": None if end is None else at(end)}

    parents = {"a": [], "b": [], "c": ["a", "b"], "d": ["c"], "e": ["a"], "f": ["d"]}
    nodes = {"a": ran(0, 4), "b": ran(0, 2), "c": ran(4, 6), "d": ran(6, 9), "e": ran(4, 5), "f": {"started_at": None}}
    code = "(m, parents, nodes) => [...m.critical(new Map(Object.entries(parents)), nodes)]"
    assert call("critical", code, parents, nodes) == ["d", "c", "a"]
    assert call("critical", code, parents, {}) == []
    at_once = {"first": ran(0, 1), "last": ran(1, 1)}
    assert call("critical", code, {"first": [], "last": ["first"]}, at_once) == ["last", "first"]


def test_attempts_are_put_together_of_status_and_history(call: Any) -> None:
    def event(second: int, event: str, attempt: int | None = 1, node: str = "n", epoch: int = 1) -> dict[str, Any]:
        at = f"2026-01-01T00:00:{second:02}Z"
        return {
            "at": at,
            "event": event,
            "node": node,
            "attempt": attempt,
            "epoch": epoch,
            "reason": None,
            "worker": "w",
        }

    events = [event(0, "ready"), event(1, "started"), event(2, "failed"), event(2, "ready", 2), event(3, "started", 2)]
    events += [event(4, "lost", 2), event(1, "started", node="other"), event(5, "paused", None)]
    node = {
        "status": "RUNNING",
        "attempt": 3,
        "queued_at": "2026-01-01T00:00:04Z",
        "started_at": "2026-01-01T00:00:05Z",
    }
    told = call("attempts", "(m, id, node, events) => m.attempts(id, node, events)", "n", node, events)
    found = [(one["attempt"], one["outcome"], one["started"] % 60_000) for one in told]
    assert found == [(1, "FAILED", 1000), (2, "LOST", 3000), (3, "RUNNING", 5000)]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0.4, "0 ms"),
        (999.4, "999 ms"),
        (1234, "1.23 s"),
        (59_940, "59.9 s"),
        (61_000, "1 min 01 s"),
        (7_500_000, "2 h 05 min"),
        (200_000_000, "2 d 8 h"),
    ],
)
def test_durations(call: Any, ms: float, text: str) -> None:
    assert call("format", "(m, ms) => m.duration(ms)", ms) == text


@pytest.mark.parametrize(
    ("second", "text"),
    [(None, ""), (0.002749, ", 0.0027 GB-seconds for a second of a node (planned)"), (0.5, ", 0.5 GB-seconds for")],
)
def test_what_waiting_takes_is_shown_where_nodes_wait(call: Any, second: float | None, text: str) -> None:
    planned = {"messages": 1, "transitions": 2, "gb_seconds": 0.1, "gb_seconds_per_node_second": second}
    usage = {"messages": 1, "transitions": 3, "planned": planned}
    shown = call("facts", "(m, usage) => m.used(usage, 1)", usage)
    assert shown.startswith("1 message (1 planned), 3 transitions (2 planned)" + text)
    assert bool(text) == ("GB" in shown)


def test_a_thousand_nodes_are_laid_out_in_time_and_apart(call: Any) -> None:
    wide, layers = 50, 20
    parents = [
        [(layer - 1) * wide + (place * 7 + step * 11) % wide for step in range(3)] if layer else []
        for layer in range(layers)
        for place in range(wide)
    ]
    code = """async (m, parents) => {
      const begun = performance.now();
      const { nodes } = await m.layout(parents, "right");
      const ms = performance.now() - begun;
      const touch = ([x, y], [a, b]) => Math.abs(x - a) < m.BOX[0] && Math.abs(y - b) < m.BOX[1];
      const near = nodes.some((one, i) => nodes.some((other, j) => i < j && touch(one, other)));
      const forward = parents.every((above, i) => above.every((j) => nodes[j][0] < nodes[i][0]));
      return [ms, nodes.length, near, forward];
    }"""
    ms, count, near, forward = call("layout", code, parents)
    assert ms < 5000
    assert (count, near, forward) == (1000, False, True)


def test_text_is_cut_between_characters(call: Any) -> None:
    assert call("format", "(m, text) => [1, 2, 3, 4, 9].map((most) => m.beginning(text, most))", "a😀😀") == [
        "a",
        "a",
        "a😀",
        "a😀",
        "a😀😀",
    ]


def test_a_wait_of_the_service_is_no_reason_to_ask_less_often(call: Any) -> None:
    code = """async (m, wait) => {
      const [calls, first] = [[], performance.now()];
      await new Promise((done) => {
        const polling = m.live(async (given) => {
          calls.push([given, performance.now() - first]);
          if (calls.length === 3) done(polling.stop());
          if (calls.length === 1) await new Promise((go) => setTimeout(go, 300));
        }, 20, wait);
      });
      return calls;
    }"""
    (first, _), (second, at), (third, _) = call("live", code, 400)
    assert (first, second, third) == (400, 0, 0) and at < 2000
    (_, _), (_, at), (_, _) = call("live", code, 0)
    assert at >= 2000, "an answer that was slow without a wait"
