"""Saving a definition through the admin's form: the document's own checks, at the fields they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from automations import documents
from automations.documents import document_of
from automations.models import Epoch, Listener, Workflow
from tests.admin.conftest import posted
from tests.automations.definitions import orders

Browse = Callable[[User], Client]


def address(workflow: Workflow) -> str:
    return reverse("admin:automations_workflow_change", args=[workflow.pk])


def errors_of(response: Any) -> dict[str, list[str]]:
    """Errors of the page by the name of their field."""
    forms = [response.context["adminform"].form]
    forms += [form for inline in response.context["inline_admin_formsets"] for form in inline.formset.forms]
    return {form.add_prefix(name): list(found) for form in forms for name, found in form.errors.items()}


def test_saving_the_form_unchanged_changes_nothing(browse: Browse, ana: User, workflow: Workflow) -> None:
    before = document_of(workflow)
    client = browse(ana)
    answer = client.post(address(workflow), posted(client.get(address(workflow))))
    assert answer.status_code == 302
    assert document_of(Workflow.objects.get()) == before


def test_a_save_raises_the_revision_and_the_epoch(browse: Browse, ana: User, workflow: Workflow) -> None:
    client, epoch = browse(ana), Epoch.current()
    data = posted(client.get(address(workflow))) | {
        "name": "Announce large orders",
        "conditions-0-tree": "always: true",
    }
    assert client.post(address(workflow), data).status_code == 302
    saved = Workflow.objects.get()
    assert (saved.name, saved.revision) == ("Announce large orders", workflow.revision + 1)
    assert saved.conditions.get().tree == {"always": True}
    assert Epoch.current() > epoch
    assert saved.history.first().history_user == ana


def test_a_save_in_simulate_rewrites_the_listeners(browse: Browse, ana: User, svc: User) -> None:
    workflow = documents.save(orders(mode="simulate"), by=None).workflow
    client = browse(ana)
    data = posted(client.get(address(workflow))) | {"triggers-0-config": "types: [order.sent]"}
    assert client.post(address(workflow), data).status_code == 302
    assert [listener.route for listener in Listener.objects.all()] == ["event:order.sent"]


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"actions-1-when": "huge"}, "actions-1-when", "no condition named"),
        ({"actions-1-needs": "nowhere"}, "actions-1-needs", "There is no action"),
        ({"actions-0-needs": "announce"}, "actions-0-needs", "in a circle"),
        ({"actions-0-config": "values: {text: '{{ event. }}'}"}, "actions-0-config", "values.text"),
        ({"actions-1-config": "to: [1"}, "actions-1-config", "line"),
        ({"actions-1-config": "text: {{ event.id }}"}, "actions-1-config", "in quotes"),
        ({"conditions-0-tree": "field: event.a\noperator: above\nvalue: 1"}, "conditions-0-tree", "operator"),
        ({"triggers-0-filter": "event.type =="}, "triggers-0-filter", "line 1"),
        ({"actions-1-retry": "attempts: many"}, "actions-1-retry", "attempts"),
        ({"actions-1-kind": "teleport"}, "actions-1-kind", "not a kind"),
        ({"timeout": "soon"}, "timeout", "duration"),
        ({"scenarios-0-expect": "candidates: [nobody]"}, "scenarios-0-expect", "candidates[0]"),
    ],
)
def test_what_is_wrong_is_refused_at_its_field_and_nothing_is_saved(
    browse: Browse, ana: User, workflow: Workflow, changes: dict[str, str], field: str, message: str
) -> None:
    before, client = document_of(workflow), browse(ana)
    answer = client.post(address(workflow), posted(client.get(address(workflow))) | changes | {"name": "Half"})
    assert answer.status_code == 200
    found = errors_of(answer)
    assert message in " ".join(found[field]), found
    for name, text in changes.items():
        assert text.split("\n")[0].replace("'", "&#x27;").replace('"', "&quot;") in answer.content.decode(), name
    assert document_of(Workflow.objects.get()) == before


def test_what_is_incomplete_is_saved_and_listed_on_top(browse: Browse, ana: User, workflow: Workflow) -> None:
    client = browse(ana)
    data = posted(client.get(address(workflow))) | {
        "actions-1-kind": "http.request",
        "actions-1-config": "method: POST\npath: /notes",
    }
    assert client.post(address(workflow), data).status_code == 302
    assert Workflow.objects.get().actions.get(key="announce").config == {"method": "POST", "path": "/notes"}
    assert "No connection is chosen." in client.get(address(workflow)).content.decode()


def test_settings_the_form_does_not_offer_survive(browse: Browse, ana: User, svc: User) -> None:
    document = orders(sensitive=["event.customer"], sla={"run": "15m"}, retention="90d")
    document["actions"][1] |= {"cap": {"count": 50, "per": "1h"}, "valid_for": "4h"}
    workflow = documents.save(document, by=None).workflow
    before, client = document_of(workflow), browse(ana)
    assert client.post(address(workflow), posted(client.get(address(workflow)))).status_code == 302
    assert document_of(Workflow.objects.get()) == before


def test_steps_are_added_reordered_and_removed(browse: Browse, ana: User, workflow: Workflow) -> None:
    client = browse(ana)
    data = posted(client.get(address(workflow)))
    data |= {"actions-0-position": 1, "actions-1-position": 0, "actions-TOTAL_FORMS": 3}
    data |= {
        "actions-2-key": "note",
        "actions-2-kind": "log.write",
        "actions-2-config": "message: done",
        "actions-2-id": "",
    }
    assert client.post(address(workflow), data).status_code == 302
    assert [part["key"] for part in document_of(Workflow.objects.get())["actions"]] == ["announce", "message", "note"]
    data = posted(client.get(address(workflow)))
    number = next(name for name, value in data.items() if value == "note").split("-")[1]
    assert client.post(address(workflow), data | {f"actions-{number}-DELETE": "on"}).status_code == 302
    assert [part["key"] for part in document_of(Workflow.objects.get())["actions"]] == ["announce", "message"]


def test_a_rule_is_a_name_an_expression_or_a_tree(browse: Browse, ana: User, workflow: Workflow) -> None:
    client = browse(ana)
    rules: dict[str, Any] = {
        "large": "large",
        'event.note == "a: b"': 'event.note == "a: b"',
        "all:\n- {field: event.a, operator: exists}": {"all": [{"field": "event.a", "operator": "exists"}]},
    }
    for text, value in rules.items():
        data = posted(client.get(address(workflow))) | {"triggers-0-filter": text}
        assert client.post(address(workflow), data).status_code == 302, text
        assert Workflow.objects.get().triggers.get().filter == value


def test_a_change_by_somebody_else_in_the_meantime_is_not_overwritten(
    browse: Browse, ana: User, workflow: Workflow
) -> None:
    client = browse(ana)
    data = posted(client.get(address(workflow)))
    documents.save(orders(description="Changed elsewhere"), by=None, workflow=workflow)
    answer = client.post(address(workflow), data | {"description": "Mine"})
    assert answer.status_code == 200
    assert "in the meantime" in answer.content.decode()
    assert Workflow.objects.get().description == "Changed elsewhere"


def test_a_builder_cannot_give_the_workflow_to_somebody_else(
    browse: Browse, ana: User, ben: User, workflow: Workflow, holding: Callable[[User, str], User]
) -> None:
    client = browse(holding(ben, "builder"))
    data = posted(client.get(address(workflow))) | {"owner": ben.pk, "description": "Edited"}
    answer = client.post(address(workflow), data, follow=True)
    saved = Workflow.objects.get()
    assert (saved.owner, saved.description) == (ana, "Edited")
    assert "You may not set the owner" in answer.content.decode()


def test_a_new_workflow_belongs_to_whoever_makes_it(browse: Browse, ana: User, workflow: Workflow) -> None:
    client = browse(ana)
    answer = client.post(reverse("admin:automations_workflow_add"), {"name": "New", "slug": "brand-new", "team": ""})
    made = Workflow.objects.get(slug="brand-new")
    assert answer.status_code == 302
    assert (made.owner, made.mode) == (ana, "draft")


def test_a_taken_slug_is_refused_without_touching_its_workflow(browse: Browse, ana: User, workflow: Workflow) -> None:
    client = browse(ana)
    add = reverse("admin:automations_workflow_add")
    answer = client.post(add, {"name": "New", "slug": workflow.slug, "team": ""})
    assert answer.status_code == 200
    assert Workflow.objects.get().name == "Route large orders"
