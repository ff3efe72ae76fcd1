"""A real browser: the Chromium of the system, headless, with no access to the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import ARGUMENTS, chromium_path

TIMEOUT = 15_000  # ms; a wait for what the page does, never a measure of how fast it is


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    path = chromium_path()
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)
            if path is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium is installed (apt-get install chromium)"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop running in this thread; Django would take it for an async caller.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    path = chromium_path()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def sign_in(browser: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """`sign_in(ana)`: a page of ana's browser, on the home page. A script error on any page fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def enter(user: User, width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, base_url=live_server.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        expect.set_options(timeout=TIMEOUT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto("/admin/login/")
        page.fill("#id_username", user.get_username())
        page.fill("#id_password", "correct horse")
        page.click("#login-form button[type=submit]")
        page.wait_for_url("**/admin/")
        return page

    yield enter
    for context in contexts:
        context.close()
    assert not errors
