"""What people do most, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from automations import documents
from automations.models import Workflow
from runs.models import DeadLetter, Run
from tests.admin.conftest import ERROR, make_run
from tests.automations.definitions import orders

SignIn = Callable[..., Page]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workflow(ana: User, svc: User) -> Workflow:
    return documents.save(orders(), by=None).workflow


@pytest.fixture
def letter(workflow: Workflow) -> DeadLetter:
    run = make_run(workflow)
    return DeadLetter.objects.create(
        workflow=workflow,
        run=run,
        step="announce",
        fingerprint=ERROR["fingerprint"],
        opened_at=run.created_at,
        error=ERROR,
    )


def page_of(name: str, *arguments: Any) -> str:
    return reverse(f"admin:{name}", args=arguments)


def main_pages(letter: DeadLetter) -> list[str]:
    """The pages people spend their day on."""
    workflow = letter.workflow.pk
    names = ("overview", "change", "test", "scenarios", "releases", "access", "history")
    return [
        page_of("index"),
        page_of("automations_runs_run_changelist"),
        page_of("automations_runs_deadletter_changelist"),
        page_of("automations_workflow_changelist"),
        *(page_of(f"automations_workflow_{name}", workflow) for name in names),
        page_of("automations_runs_run_change", letter.run_id),
        page_of("automations_runs_event_change", letter.run.event_id),
        page_of("automations_runs_deadletter_change", letter.pk),
    ]


def no_sideways_scrolling(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_from_home_to_the_dead_letter_and_its_replay(sign_in: SignIn, ana: User, letter: DeadLetter) -> None:
    page = sign_in(ana)
    page.get_by_role("link", name="The receiver answered 500.").first.click()
    expect(page.get_by_text("The service itself failed.")).to_be_visible()
    page.get_by_role("button", name="Replay from this step").click()
    expect(page.get_by_text("goes on from step announce")).to_be_visible()
    expect(page.get_by_role("heading", name="Run #")).to_be_visible()
    assert Run.objects.get().reopened == 1


def test_the_sidebar_leads_to_lists_that_render(sign_in: SignIn, root: User, letter: DeadLetter) -> None:
    page = sign_in(root)
    for name in ("Dead letters", "Workflows", "Runs", "Events", "Evaluations", "Endpoints", "Receipts", "People"):
        page.locator("#nav-sidebar-apps").get_by_role("link", name=name, exact=False).first.click()
        expect(page.locator("#content-main")).to_be_visible()
        assert no_sideways_scrolling(page), name


def test_a_workflow_is_edited_and_wrong_input_stays_on_the_page(sign_in: SignIn, ana: User, workflow: Workflow) -> None:
    page = sign_in(ana)
    page.goto(page_of("automations_workflow_overview", workflow.pk))
    expect(page.get_by_text("When order.paid arrives")).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.locator("#tabs-items").get_by_text("Steps").click()
    page.locator("#actions-1 strong, #actions-group strong").nth(1).click()
    page.fill("#id_actions-1-when", "huge")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("There is no condition named")).to_be_visible()
    page.fill("#id_actions-1-when", "not large")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("only when not large")).to_be_visible()
    assert Workflow.objects.get().actions.get(key="announce").when == "not large"


def test_a_payload_is_tested(sign_in: SignIn, ana: User, workflow: Workflow) -> None:
    page = sign_in(ana)
    page.goto(page_of("automations_workflow_test", workflow.pk))
    page.fill("#id_payload", '{"type": "order.paid", "id": "e1", "order": {"id": 7, "total": 20}}')
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_role("heading", name="It would act")).to_be_visible()
    expect(page.get_by_text("event.order.total = 20, needed > 100").first).to_be_visible()


def test_the_run_page_refreshes_itself_until_the_run_has_ended(sign_in: SignIn, ana: User, workflow: Workflow) -> None:
    run = make_run(workflow, status="running")
    page = sign_in(ana)
    page.goto(page_of("automations_runs_run_change", run.pk))
    expect(page.locator("#live .au-title")).to_contain_text("Running")
    page.locator("#step-message > summary").click()
    Run.objects.filter(pk=run.pk).update(status="succeeded", finished_at=run.created_at)
    expect(page.locator("#live .au-title")).to_contain_text("Succeeded")
    expect(page.locator("#step-message")).to_have_attribute("open", "")  # what was unfolded stays unfolded


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_main_pages_fit_a_phone(sign_in: SignIn, ana: User, letter: DeadLetter, theme: Any) -> None:
    page = sign_in(ana, width=390, color_scheme=theme)
    for address in main_pages(letter):
        page.goto(address)
        assert no_sideways_scrolling(page), address


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_assistive_technology(
    sign_in: SignIn, ana: User, letter: DeadLetter, theme: Any
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = sign_in(ana, color_scheme=theme)
    for address in main_pages(letter):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        found = axe.run(page).response["violations"]
        serious = [(rule["id"], [node["html"][:200] for node in rule["nodes"]][:3]) for rule in found
                   if rule["impact"] in ("serious", "critical")]  # fmt: skip
        assert not serious, address
