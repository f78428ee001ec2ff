"""The live page, as a user operates it."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from examples.run import layered
from tests.browser import receiver, workflows
from tests.browser.conftest import PHONE, watch
from tests.browser.service import Service

NO_OVERFLOW = "document.documentElement.scrollWidth <= innerWidth"


def painted(page: Page) -> int:
    """The number of colours in the graph; a blank canvas has one."""
    colours: int = page.evaluate(
        """() => {
          const canvas = document.querySelector(".graph canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
    return colours


def ready(page: Page) -> None:
    page.wait_for_selector(".graph[data-ready]")


def test_the_list_filters_by_status_name_and_tag(page: Page, service: Service) -> None:
    service.run(workflows.retried(), tags={"order": "7"})
    failed = service.run(workflows.failing())
    page.goto(service.page())
    rows = page.locator(".instances li")
    expect(rows.filter(has_text="Nightly orders").first).to_be_visible()
    expect(page.locator(".chip", has_text="Failed").locator("b")).not_to_have_text("0")
    page.locator(".chip", has_text="Failed").click()
    expect(page.locator(".instances li", has_text="Nightly orders")).to_have_count(0)
    expect(page.locator(f".instances a[href='#/instances/{failed}']")).to_be_visible()
    page.locator(".chip", has_text="All").click()
    page.get_by_label("Tags, separated by spaces").fill("order:7")
    expect(page.locator(".instances li", has_text="Warehouse")).to_have_count(0)
    expect(rows.first).to_contain_text("Nightly orders")
    page.get_by_label("Name contains").fill("nothing is called this")
    expect(page.locator(".empty h2")).to_have_text("Nothing matches")
    page.get_by_role("link", name="Clear the filters").click()
    expect(page.locator(".instances li", has_text="Warehouse").first).to_be_visible()
    rows.first.locator("a").focus()
    page.keyboard.press("j")
    expect(rows.nth(1).locator("a")).to_be_focused()


def test_an_instance_is_live_and_is_paused_resumed_and_cancelled(page: Page, service: Service, tmp_path: Path) -> None:
    instance_id = service.start(workflows.gated(tmp_path / "open"))
    page.goto(service.page(f"instances/{instance_id}"))
    ready(page)
    expect(page.locator(".legend .chip", has_text="Running")).to_contain_text("2")
    assert painted(page) > 20
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".title .badge")).to_have_text("Paused")
    page.keyboard.press("p")
    expect(page.locator(".title .badge")).to_have_text("Running")
    page.keyboard.press("c")
    page.get_by_label("Reason").fill("seen enough")
    page.get_by_role("button", name="Cancel it").click()
    expect(page.locator(".title .badge")).to_have_text("Cancelled")
    expect(page.locator(".instance-head .banner")).to_contain_text("seen enough")
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".history .event", has_text="cancelled").first).to_be_visible()


def test_it_ends_by_itself_before_the_eyes(page: Page, service: Service, tmp_path: Path) -> None:
    instance_id = service.start(workflows.gated(tmp_path / "open"))
    page.goto(service.page(f"instances/{instance_id}?node=publish"))
    expect(page.locator(".node-panel .why")).to_contain_text("It waits for")
    (tmp_path / "open").touch()
    expect(page.locator(".title .badge")).to_have_text("Completed")
    expect(page.locator(".node-panel .badge")).to_have_text("Completed")
    expect(page.locator(".node-panel")).to_contain_text("Result")


def test_what_was_triggered_is_shown_at_once_and_its_end_when_it_comes(
    page: Page, service: Service, tmp_path: Path
) -> None:
    """The dialog does not wait. The first look at the instance does, and the service answers it at the end."""
    definition = workflows.gated(tmp_path / "open") | {"name": "Soon over"}
    execution_id = service.call("workflow", definition)["execution_id"]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.partition('/api/')[2]}"))
    page.goto(service.page("workflows"))
    page.locator(".workflows li", has_text="Soon over").first.get_by_role("button", name="Trigger", exact=True).click()
    with page.expect_request(lambda request: "wait=" in request.url):
        page.locator("dialog").get_by_role("button", name="Trigger").click()
    expect(page.locator("h1")).to_have_text("Soon over")
    (tmp_path / "open").touch()
    expect(page.locator(".title .badge")).to_have_text("Completed")
    assert f"POST workflow/trigger/{execution_id}" in asked
    instance_id = page.evaluate("location.hash").rpartition("/")[2]
    reading = f"GET workflows/{instance_id}"
    looks = [each.removeprefix(reading) for each in asked if each.startswith(reading)]
    assert looks[:2] == ["", "?nodes=false&wait=0.6"] and not [each for each in looks[2:] if "wait" in each]


def test_text_of_users_stays_text_wherever_it_is_shown(page: Page, service: Service, complaints: list[str]) -> None:
    instance_id = service.run(workflows.failing())
    page.goto(service.page(f"instances/{instance_id}?node=reserve"))
    ready(page)
    expect(page.locator("h1")).to_have_text(f"Warehouse {workflows.HOSTILE}")
    expect(page.locator(".instance-head .banner")).to_contain_text(workflows.HOSTILE)
    expect(page.locator(".node-panel .banner")).to_contain_text(workflows.HOSTILE)
    for tab in ("Timeline", "Nodes", "Results", "History", "Definition"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_load_state("networkidle")
    page.keyboard.press("4")
    page.get_by_text("Results of 2 nodes").click()
    expect(page.locator(".results details pre")).to_contain_text("window.pwned")
    for place in ("", "workflows", "submit?from=" + service.call(f"workflows/{instance_id}")["execution_id"]):
        page.goto(service.page(place))
        page.wait_for_load_state("networkidle")
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script, main img").count() == 0
    # The policy would stop it, too: not even the page's own code can turn a string into HTML.
    refused = page.evaluate("() => { try { document.body.innerHTML = '<b>'; } catch (error) { return error.name; } }")
    assert refused == "TypeError"
    assert complaints.pop() == "error: This document requires 'TrustedHTML' assignment. The action has been blocked."


def test_a_node_runs_again_from_here(page: Page, service: Service) -> None:
    instance_id = service.run(workflows.failing())
    page.goto(service.page(f"instances/{instance_id}?node=scan"))
    page.get_by_role("button", name="Run again from here").click()
    page.get_by_label("New params").fill("[")
    page.get_by_role("button", name="Run again", exact=True).last.click()
    expect(page.get_by_role("alert").last).to_contain_text("no JSON")
    page.get_by_label("New params").fill("")
    page.get_by_role("button", name="Run again", exact=True).last.click()
    expect(page.locator(".toast")).to_have_text("Run 2: 4 nodes again")
    expect(page.locator(".facts")).to_contain_text("Run 2")
    expect(page.locator(".attempts li")).to_have_count(2)
    page.keyboard.press("2")
    expect(page.locator(".gantt-legend b")).to_have_text("epoch 2")
    expect(page.locator(".used")).to_contain_text("planned a run)")


def test_a_thousand_nodes(page: Page, service: Service) -> None:
    instance_id = service.run(layered())
    page.goto(service.page(f"instances/{instance_id}"))
    ready(page)
    assert painted(page) > 20
    page.get_by_label("Find a node").fill("l19_49")
    expect(page.locator(".node-panel h2")).to_have_text("l19_49")
    canvas = page.locator(".graph canvas")
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".node-panel h2")).to_have_text(re.compile(r"l18_\d+"))
    page.keyboard.press("f")
    page.mouse.move(400, 500)
    page.mouse.wheel(0, -400)
    # A frame is painted in far less time than a user notices.
    frame = page.evaluate(
        """async () => {
          const canvas = document.querySelector(".graph canvas");
          const begun = performance.now();
          for (let turn = 0; turn < 10; turn += 1) {
            canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: turn % 2 ? 60 : -60, cancelable: true }));
            await new Promise(requestAnimationFrame);
          }
          return (performance.now() - begun) / 10;
        }"""
    )
    assert frame < 250
    page.keyboard.press("3")
    expect(page.locator(".nodes .row").first).to_be_visible()
    assert page.locator(".nodes .row").count() < 60
    page.keyboard.press("2")
    expect(page.locator(".gantt-legend .fact")).to_contain_text("of 20 nodes")
    assert page.evaluate(NO_OVERFLOW)


def test_the_timeline_knows_attempts_and_the_critical_path(page: Page, service: Service) -> None:
    instance_id = service.run(workflows.retried())
    page.goto(service.page(f"instances/{instance_id}?tab=timeline"))
    expect(page.locator(".gantt-legend .fact")).to_contain_text("of 3 nodes: ")
    expect(page.locator(".gantt-legend b")).to_be_hidden()
    page.wait_for_selector(".gantt[data-whole]")
    row = page.locator(".gantt-scroll").bounding_box()
    assert row
    page.mouse.move(row["x"] + 300, row["y"] + 30 + 26 + 13)  # the second: `flaky` was ready as soon as `quick`
    tip = page.locator(".gantt .tip")
    expect(tip).to_contain_text("attempt 2, on the critical path")
    expect(tip).to_contain_text("attempt 1 failed")
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".node-panel .attempts li")).to_have_count(2)
    expect(page.locator(".node-panel .attempts")).to_contain_text("not yet: attempt 1")


def test_a_submission_is_told_what_is_wrong_at_its_line(page: Page, service: Service, complaints: list[str]) -> None:
    page.goto(service.page("submit"))
    editor = page.get_by_label("The workflow, as JSON")
    editor.fill('{\n  "name": "Broken",\n  "dag" {}\n}')
    page.keyboard.press("Control+Enter")
    expect(page.locator(".editor-lines .bad")).to_have_text("3")
    expect(page.locator(".editor-notes .note")).to_contain_text("“:” is missing here")
    editor.fill(
        '{\n  "name": "Oops",\n  "dag": {"nodes": [\n'
        '    {"id": "a", "handler": "noop", "dependencies": [\n      "b"]},\n'
        '    {"id": "c", "handler": "nop"}\n  ]}\n}'
    )
    page.get_by_role("button", name="Submit and trigger").click()
    expect(page.locator(".editor-lines .bad")).to_have_text(["5", "6"])
    expect(page.locator(".editor-notes .note").first).to_contain_text("there is no node `b`")
    expect(page.locator(".problems li")).to_have_count(2)
    page.locator(".problems .link").last.click()
    assert editor.evaluate("(area) => area.value.slice(0, area.selectionStart).split('\\n').length") == 6
    assert complaints == [
        f"error: Failed to load resource: the server responded with a status of 422 ({HTTPStatus(422).phrase})"
    ]
    complaints.clear()
    editor.fill('{"name": "Right", "dag": {"nodes": [{"id": "a", "handler": "input"}]}}')
    page.get_by_label("Params, as JSON").fill('{"x": 1}')
    page.get_by_role("button", name="Submit and trigger").click()
    expect(page.locator("h1")).to_have_text("Right")
    page.keyboard.press("4")
    expect(page.locator(".results pre")).to_contain_text('"x": 1')


def test_a_result_that_is_too_large_is_got_alone(page: Page, service: Service) -> None:
    instance_id = service.run(workflows.large())
    page.goto(service.page(f"instances/{instance_id}?node=book"))
    with page.expect_download() as started:
        page.locator(".node-panel").get_by_role("button", name="Download the result of book").click()
    assert started.value.suggested_filename == "book.json"
    assert json.loads(started.value.path().read_bytes()) == [["x" * 700] * 100] * 100
    page.keyboard.press("4")
    expect(page.locator(".results .large")).to_contain_text("6.7 MiB")
    # The service does not return a result that is in a bucket: it returns the address, and the browser goes there.
    elsewhere = f"{service.url}/health"
    where = {"content_type": "text/uri-list", "body": f"{elsewhere}\r\n"}
    page.route("**/results/book", lambda route: route.fulfill(**where))
    with page.expect_popup() as opened:
        page.locator(".results").get_by_role("button", name="Download the result of book").click()
    opened.value.wait_for_url(elsewhere)


def test_of_large_results_the_smaller_ones_are_shown(page: Page, service: Service) -> None:
    instance_id = service.run(workflows.many())
    page.goto(service.page(f"instances/{instance_id}?tab=results"))
    first = page.locator(".results .large").first
    first.get_by_role("button", name="Show the result of").click()
    expect(first.locator("pre")).to_contain_text("xxxx")
    page.keyboard.press("1")
    page.keyboard.press("4")
    expect(first.locator("pre")).to_be_visible()


def test_the_head_says_how_the_webhook_went_and_what_was_used(page: Page, service: Service) -> None:
    facts = page.locator(".facts")
    with receiver.listening() as url:
        instance_id = service.start(workflows.told(f"{url}/hook"))
        page.goto(service.page(f"instances/{instance_id}"))
        expect(facts).to_contain_text("Webhook delivered")
        assert facts.locator(".fault").count() == 0
        usage = service.call(f"workflows/{instance_id}")["usage"]
        planned = usage["planned"]
        counted = (
            f"{usage['messages']} messages ({planned['messages']} planned), "
            f"{usage['transitions']} transitions ({planned['transitions']} planned)"
        )
        waiting = f", {planned['gb_seconds_per_node_second']:.2g} GB-seconds for a second of a node (planned)"
        expect(page.locator(".progress .used")).to_have_text(counted.replace("1 messages", "1 message") + waiting)
        page.goto(service.page(f"instances/{service.run(workflows.told(f'{url}/gone'))}"))
        expect(facts.locator(".fault")).to_contain_text("failed after 1 attempt")
        expect(facts.locator(".fault")).to_contain_text("answered 410: <b>gone for good</b>")


def test_a_workflow_is_triggered_from_the_list_of_them(page: Page, service: Service) -> None:
    service.call("workflow", workflows.workflow("Triggered by hand", workflows.node("a", "input", [])))
    page.goto(service.page("workflows"))
    row = page.locator(".workflows li", has_text="Triggered by hand").first
    row.get_by_role("button", name="Trigger", exact=True).click()
    page.get_by_label("Params").fill('{"day": 1}')
    page.get_by_label("Tags").fill('{"by": "hand"}')
    page.locator("dialog").get_by_role("button", name="Trigger").click()
    expect(page.locator("h1")).to_have_text("Triggered by hand")
    expect(page.locator(".facts .tag")).to_have_text("by:hand")
    expect(page.locator(".title .badge")).to_have_text("Completed")


def test_light_and_dark(page: Page, service: Service) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(service.page())
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.get_by_label("Switch to light").click()
    light = page.evaluate(colour)
    assert dark != light
    page.reload()
    assert page.evaluate(colour) == light
    page.keyboard.press("t")
    assert page.evaluate(colour) == dark


def test_the_keyboard_alone(page: Page, service: Service) -> None:
    page.goto(service.page())
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("n")
    expect(page.locator("h1")).to_have_text("Submit a workflow")
    page.keyboard.press("w")
    expect(page.locator("h1")).to_have_text("Workflows")
    page.keyboard.press("/")
    expect(page.get_by_label("Name contains")).to_be_focused()
    page.keyboard.type("l")
    expect(page.locator("h1")).to_have_text("Workflows")


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, service: Service, complaints: list[str]) -> None:
    here = f"instances/{service.run(workflows.failing())}"
    with browser.new_context(viewport=PHONE, has_touch=True, device_scale_factor=2) as context:
        page = context.new_page()
        watch(page, complaints)
        for place in ("", "workflows", "submit", here, f"{here}?tab=timeline&node=reserve", f"{here}?tab=nodes"):
            page.goto("about:blank")
            page.goto(service.page(place))
            page.wait_for_selector("h1")
            page.wait_for_load_state("networkidle")
            assert page.evaluate(NO_OVERFLOW), place
    assert not complaints


def test_an_unknown_instance_and_an_unknown_place(page: Page, service: Service, complaints: list[str]) -> None:
    page.goto(service.page("instances/in-00000000000000000000000000000"))
    expect(page.locator("h1")).to_have_text("Not found")
    page.goto(service.page("nowhere"))
    expect(page.locator("h1")).to_have_text("There is nothing at this address")
    assert [line for line in complaints if "404" not in line] == []
    complaints.clear()
