"""A real browser and the real local service. Every error that the page reports fails the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright

from tests.browser.service import Service
from tests.support.servers import unavailable
from tests.support.stack import RunningStack

NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox, since CI runs as root, and no feature that calls hosts on the internet.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A foreign name that resolves to this machine, as with DNS rebinding.
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
)
WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        unavailable("no Chromium on PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def service(stack: RunningStack) -> Service:
    return Service(f"{stack.url}/api")


@pytest.fixture
def complaints() -> list[str]:
    """The page's console output, errors and policy violations. A test may remove those that it expects."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    with browser.new_context(viewport=WIDE, reduced_motion="reduce") as context:
        context.set_default_timeout(10_000)
        page = context.new_page()
        watch(page, complaints)
        yield page
    assert not complaints


def watch(page: Page, complaints: list[str]) -> None:
    def said(message: ConsoleMessage) -> None:
        complaints.append(f"{message.type}: {message.text}")

    def raised(error: Any) -> None:
        complaints.append(f"error: {error}")

    page.on("console", said)
    page.on("pageerror", raised)


@pytest.fixture(scope="module")
def call(browser: Browser, service: Service) -> Iterator[Any]:
    """Yield `call(module, function, *arguments)`, which returns the result as JSON."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(service.page())
    base = page.locator("script[type=module]").get_attribute("src")
    assert base

    def run(module: str, expression: str, *arguments: Any) -> Any:
        code = (
            f"async ([base, args]) => {{ const m = await import(new URL(base)); return (({expression}))(m, ...args); }}"
        )
        address = f"{service.url}/{base.rsplit('/', 1)[0]}/{module}.js"
        return page.evaluate(code, [address, list(arguments)])

    yield run
    context.close()
