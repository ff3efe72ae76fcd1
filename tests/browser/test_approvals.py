"""The inbox in a real browser, on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from runs.models import Approval
from tests.api.test_approvals import ask
from tests.builders import action
from tests.builders import workflow as build

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_approver_decides_on_a_phone(sign_in: Callable[..., Page], ana: User, ben: User) -> None:
    config = {"message": "refund {{ event.order.total }}"}
    approval = ask(build(action("refund", "log.write", config=config, approval={"approvers": ["ben"]})))
    page = sign_in(ben, width=390)
    expect(page.get_by_text("Waiting for your decision")).to_be_visible()
    page.get_by_role("link", name="refund", exact=True).click()
    expect(page.get_by_text("Note “refund 250” in the log")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    page.fill("#comment", "fine")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("Approved.")).to_be_visible()
    assert Approval.objects.get(pk=approval.pk).state == "approved"
