"""The page behind API Gateway, below a stage, with a key or signatures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import gateway, workflows
from tests.browser.service import Service
from tests.support.stack import RunningStack


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """A page whose console is not watched, since refused calls are reported there."""
    with browser.new_context() as context:
        yield context.new_page()


def test_it_asks_for_the_key_and_forgets_it_with_the_tab(visitor: Page, service: Service, stack: RunningStack) -> None:
    instance_id = service.run(workflows.retried())
    with gateway.running(stack.url, "api_key") as url:
        visitor.goto(f"{url}#/instances/{instance_id}")
        dialog = visitor.get_by_role("dialog")
        expect(dialog).to_contain_text("asks for a key")
        visitor.get_by_label("API key").last.fill("wrong")
        dialog.get_by_role("button", name="Use it").click()
        expect(visitor.locator("h1")).to_have_text("Answered 403")
        visitor.reload()
        expect(dialog).to_contain_text("refused this key")
        visitor.get_by_label("API key").last.fill(gateway.KEY)
        dialog.get_by_role("button", name="Use it").click()
        expect(visitor.locator("h1")).to_have_text("Nightly orders")
        visitor.wait_for_selector(".graph[data-ready]")
        visitor.reload()
        expect(visitor.locator("h1")).to_have_text("Nightly orders")
        assert visitor.evaluate("JSON.stringify(localStorage)") == "{}"
        fresh = visitor.context.new_page()
        fresh.goto(f"{url}#/instances/{instance_id}")
        expect(fresh.get_by_role("dialog")).to_contain_text("asks for a key")


def test_a_result_alone_is_asked_for_with_the_key(visitor: Page, service: Service, stack: RunningStack) -> None:
    instance_id = service.run(workflows.large())
    with gateway.running(stack.url, "api_key") as url:
        visitor.goto(f"{url}#/instances/{instance_id}?node=book")
        visitor.get_by_label("API key").last.fill(gateway.KEY)
        visitor.get_by_role("button", name="Use it").click()
        with visitor.expect_download() as started:
            visitor.get_by_role("button", name="Download the result of book").click()
        assert started.value.path().stat().st_size > 7_000_000


def test_it_says_that_a_browser_cannot_sign(visitor: Page, stack: RunningStack) -> None:
    with gateway.running(stack.url, "iam") as url:
        visitor.goto(f"{url}/")
        expect(visitor.get_by_role("dialog")).to_contain_text("a proxy that signs")
