"""The page keeps what users write as they wrote it: every digit of a number, every key of an object."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import workflows
from tests.browser.service import Service

EXACT = "[9007199254740993, 123456789012345678901234567890, 1.0, -0.0, 0.1, 1e+22, 5e-324]"
NUMBERS = (
    *("9007199254740993", "-9007199254740993", "123456789012345678901234567890", "10000000000000000", "0", "1", "-0"),
    *("1e400", "-1E400", "1e-400", "5e-324", "1.7976931348623157e308", "1e16", "1e22", "1E+22", "1e+22", "100e-2"),
    *("1.0", "-0.0", "0.1", "0.10", "0.1000000000000000055511151231257827"),
)
INHERITED = ("constructor", "__proto__", "toString", "hasOwnProperty", "valueOf")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_keeps_its_text(call: Any, number: str) -> None:
    text = f'{{"id":{number},"in":[{number}]}}'
    assert call("exact", "(m, text) => m.stringify(m.parse(text))", text) == text
    assert call("exact", "(m, text) => m.parse(text) + 0", number) == float(number)


@pytest.mark.parametrize("key", [*INHERITED, "", "10", "a b"])
def test_a_key_is_what_was_written_and_nothing_is_inherited(call: Any, key: str) -> None:
    text = f'{{"z":1,{json.dumps(key)}:{{"2":"b","10":"c","1":"a"}}}}'
    assert call("exact", "(m, text) => m.stringify(m.parse(text))", text) == text
    assert call("exact", "(m, key) => m.parse('{}')[key] === undefined", key)
    assert call("exact", "(m, text, key) => m.parse(text)[key]['10']", text, key) == "c"


def test_what_python_writes_is_read_and_written_again(call: Any) -> None:
    chance = random.Random(11)

    def value(depth: int) -> Any:
        kind = chance.randrange(8 if depth else 6)
        if kind == 6:
            return [value(depth - 1) for _ in range(chance.randrange(5))]
        if kind == 7:
            return {text(): value(depth - 1) for _ in range(chance.randrange(5))}
        number = chance.uniform(-1, 1) * 10.0 ** chance.randrange(-300, 300)
        return (None, True, chance.getrandbits(90) - 2**89, chance.randrange(100), number, text())[kind]

    def text() -> str:
        return "".join(chance.choice('a"\\\n\u2028é☃𝄞\x00\x7f/7') for _ in range(chance.randrange(6)))

    for space, options in (("", {"separators": (",", ":")}), ("  ", {"indent": 2})):
        texts = [json.dumps(value(4), ensure_ascii=False, **options) for _ in range(300)]
        code = "(m, texts, space) => texts.map((text) => m.stringify(m.parse(text), space))"
        assert call("exact", code, texts, space) == texts


def test_several_megabytes_are_read_in_time(call: Any) -> None:
    rows = [{"id": 9007199254740993 + row, "name": "x" * 40, "tags": ["a", "b"], "at": 0.1} for row in range(50_000)]
    text = json.dumps([rows, "x\\" * 1_000_000], separators=(",", ":"))
    code = """(m, text) => {
      const begun = performance.now();
      const same = m.stringify(m.parse(text)) === text;
      return [same, performance.now() - begun];
    }"""
    same, ms = call("exact", code, text)
    assert same and ms < 20_000  # about a second; the limit detects quadratic growth


def ask(page: Page, service: Service, name: str) -> None:
    """Open the dialog that triggers the workflow."""
    page.goto(service.page("workflows"))
    row = page.locator(".workflows li", has_text=name).first
    row.get_by_role("button", name="Trigger", exact=True).click()


def test_params_run_as_they_were_typed_and_are_shown_as_they_ran(page: Page, service: Service) -> None:
    echo = workflows.node(
        "echo", "output", [], {"value": ["{{ params.ids }}", "{{ params.ids.0 }}!", [9007199254740993]]}
    )
    service.call("workflow", workflows.workflow("Exact", echo))
    ask(page, service, "Exact")
    page.get_by_label("Params").fill(f'{{"ids": {EXACT}}}')
    page.locator("dialog").get_by_role("button", name="Trigger").click()
    expect(page.locator("h1")).to_have_text("Exact")
    expect(page.locator(".title .badge")).to_have_text("Completed")
    instance_id = page.url.rsplit("/", 1)[1].partition("?")[0]
    shown = [*EXACT[1:-1].split(", "), "9007199254740993"]

    def seen(place: str) -> None:
        page.goto("about:blank")
        page.goto(service.page(f"instances/{instance_id}?{place}"))
        said = page.locator(".results .json pre, .node-panel .json pre").first
        expect(said).to_contain_text("9007199254740993!")
        assert said.locator(".json-number").all_text_contents() == shown

    seen("tab=results")
    seen("node=echo")
    page.keyboard.press("6")
    expect(page.locator(".stage pre")).to_contain_text("9007199254740993")

    page.get_by_role("button", name="Run again", exact=True).click()
    page.get_by_label("New params").fill('{"ids": [9007199254740995]}')
    page.locator("dialog").get_by_role("button", name="Run again").click()
    expect(page.locator(".facts")).to_contain_text("Run 2")
    expect(page.locator(".title .badge")).to_have_text("Completed")
    page.keyboard.press("4")
    expect(page.locator(".results .json pre").first).to_contain_text("9007199254740995!")

    execution_id = service.call(f"workflows/{instance_id}")["execution_id"]
    page.goto(service.page(f"submit?from={execution_id}"))
    editor = page.get_by_label("The workflow, as JSON")
    expect(editor).to_have_value(re.compile("9007199254740993"))


def test_a_number_out_of_range_is_refused_and_not_made_null(
    page: Page, service: Service, complaints: list[str]
) -> None:
    service.call("workflow", workflows.workflow("Out of range", workflows.node("a", "input", [])))
    page.goto(service.page("workflows"))
    page.locator(".workflows li", has_text="Out of range").first.get_by_role(
        "button", name="Trigger", exact=True
    ).click()
    page.get_by_label("Params").fill('{\n  "x": 1E400,\n  "x": 1}')
    page.locator("dialog").get_by_role("button", name="Trigger").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("more than once")
    page.get_by_label("Params").fill('{"x": 1E400}')
    page.locator("dialog").get_by_role("button", name="Trigger").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("/params/x: the number is out of range")
    page.get_by_label("Params").fill('{\n  "x" 1}')
    page.locator("dialog").get_by_role("button", name="Trigger").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("no JSON: line 2, “:” is missing here")
    complaints[:] = [line for line in complaints if "422" not in line]


def test_ids_are_names_and_nothing_more(page: Page, service: Service) -> None:
    nodes = [workflows.node(id, "input", [], {"me": id}) for id in INHERITED]
    late = workflows.node("last", "noop", list(INHERITED))
    instance_id = service.run(workflows.workflow("Names", *nodes, late))
    for id in INHERITED:
        page.goto("about:blank")
        page.goto(service.page(f"instances/{instance_id}?node={id}"))
        expect(page.locator(".node-panel h2")).to_have_text(id)
        expect(page.locator(".node-panel .why")).to_contain_text("It completed")
        expect(page.locator(".node-panel pre[aria-label='the result']")).to_contain_text(f'"me": "{id}"')
        assert page.locator(".large").count() == 0
    page.keyboard.press("3")
    expect(page.locator(".nodes .row", has_text="__proto__")).to_contain_text("Completed")
    page.keyboard.press("2")
    expect(page.locator(".gantt-legend .fact")).to_contain_text("of 2 nodes")
    page.keyboard.press("4")
    page.get_by_text("Results of 6 nodes").click()
    expect(page.locator(".results details pre")).to_contain_text('"__proto__": {')
    for id in INHERITED:
        page.goto(service.page(id))
        expect(page.locator("h1")).to_have_text("There is nothing at this address")
