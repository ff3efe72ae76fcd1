"""Three workflows of different shape go through the API as JSON and YAML, and through the admin's form, unchanged."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from automations import shared_conditions
from automations.documents import document_of, snapshot
from automations.models import Connection, Workflow
from tests import builders

pytestmark = pytest.mark.django_db
API = "/api/v1/workflows"

ROUTING: dict[str, Any] = {
    "workflow": "order-routing",
    "name": "Route large orders",
    "description": "First line\nsecond line\n",
    "process": "order-to-cash",
    "owner": "ana",
    "deputy": "ben",
    "team": "logistics",
    "run_as": "svc-orders",
    "mode": "draft",
    "tags": ["orders", "NO", "a, b"],
    "priority": 0,
    "timeout": "1h",
    "concurrency": {"limit": 20, "key": "event.order.customer", "on_limit": "queue", "count": "open"},
    "sla": {"run": "15m", "subject": "4h"},
    "retention": "90d",
    "sensitive": ["event.customer.email"],
    "encrypt": "payloads",
    "runbook": "  Call the shop desk …\n\n  then:\twait\n",
    "alerts": {"failure_rate": 0.1, "silent_for": "auto", "duration_p95": "5m", "notify": ["ops@example.com"]},
    "triggers": [
        {
            "key": "paid",
            "kind": "webhook",
            "config": {"endpoint": "shop"},
            "filter": 'event.type == "order.paid" ? true : false',
            "dedupe": "event.id\n + '-' + event.type",
            "subject": {"type": "order", "key": "event.order.id"},
            "contract": {
                "type": "object",
                "required": ["order"],
                "properties": {"order": {"type": ["object", "null"]}},
            },
            "debounce": "10s",
            "throttle": {"count": 5, "per": "1m"},
        }
    ],
    "conditions": {
        "large_order": {
            "all": [
                {"field": "event.order.total", "operator": "gt", "value": 100},
                {
                    "field": "event.order.country",
                    "operator": "in",
                    "value": ["DE", "FR", "NO", "1.0", 1.0, 1, True, None],
                },
            ]
        },
        "fraud": {"use": "risk/suspicious-order"},
        "short": 'event.order.total > 1.0 && event.name != "yes"',
    },
    "actions": [
        {
            "key": "message",
            "kind": "transform",
            "config": {
                "values": {"z": "Order {{ event.order.id }}\n  over {{ event.order.total }}\n", "a": [], "b": {}}
            },
        },
        {
            "key": "notify",
            "kind": "http.request",
            "needs": ["message"],
            "when": "not large_order",
            "owner": "logistics",
            "replaces": {"step": "type the order into the CRM", "minutes": 4},
            "config": {"connection": "crm", "method": "POST", "path": "/notes", "json": {"text": None, "": 0}},
            "retry": {"attempts": 5, "delay": "2s", "factor": 2, "max_delay": "10m", "jitter": True},
            "timeout": "30s",
            "on_failure": "continue",
        },
        {
            "key": "refund",
            "kind": "http.request",
            "needs": ["notify"],
            "risk": "money",
            "safety": "unsafe",
            "cap": {"count": 50, "per": "1h", "sum": "event.order.total", "max_sum": 5000},
            "approval": {"approvers": ["finance"], "when": "fraud", "expires": "24h", "escalate_to": ["leads"]},
            "valid_for": "4h",
            "patience": "24h",
            "if_it_fails": "Call the shop desk …\nor not",
            "config": {
                "connection": "crm",
                "method": "POST",
                "path": "/refunds",
                "form": {"order": "{{ event.order.id }}"},
            },
            "on_failure": "compensate",
            "compensate": {
                "kind": "http.request",
                "config": {
                    "connection": "crm",
                    "method": "DELETE",
                    "path": "/refunds/{{ steps.refund.output.json.id }}",
                },
            },
        },
    ],
    "scenarios": [
        {
            "name": "the CRM refuses: 500",
            "trigger": "paid",
            "payload": {"type": "order.paid", "order": {"id": 7, "total": 250.0, "country": "NO", "at": "12:30"}},
            "headers": {"X-A": "1"},
            "as_user": "ben",
            "outputs": {"notify": {"error": {"status": 500}}},
            "expect": {"matched": True, "candidates": ["message"], "skipped": [], "outputs": {"message": {"z": "x"}}},
        },
        {"name": "empty", "payload": {}},
        {"name": "text", "payload": "no"},
        {"name": "list", "payload": [1, 1.5, "1", True, None, {"a": []}]},
    ],
}

TRIAGE: dict[str, Any] = {
    "workflow": "triage",
    "mode": "simulate",
    "owner": "ana",
    "triggers": [{"key": "said", "kind": "event", "config": {"types": ["ticket.opened", "on"]}, "filter": "urgent"}],
    "conditions": {
        "urgent": {"any": [{"condition": "vip"}, {"field": "event.severity", "operator": "gte", "value": 3}]},
        "vip": {"field": 'event["who is"].vip', "operator": "is_true"},
        "never": {"always": False},
    },
    "actions": [
        {
            "key": "level",
            "kind": "decision.table",
            "config": {
                "hit": "unique",
                "rows": [
                    {"when": "vip", "then": {"level": 1, "note": "‹vip›"}},
                    {"when": {"none": [{"condition": "vip"}]}, "then": {"level": 2, "note": "{{ event.title }}"}},
                ],
                "otherwise": {"level": None},
            },
        },
        {
            "key": "who",
            "kind": "assign.route",
            "needs": ["level"],
            "config": {
                "method": "weighted",
                "among": ["ben", "ana", "null", "~"],
                "weights": {"ben": 2, "ana": 0.5},
                "rules": [
                    {
                        "when": {"field": "steps.level.output.level", "operator": "eq", "value": 1},
                        "then": {"group": "logistics", "method": "least_loaded"},
                    }
                ],
            },
        },
        {
            "key": "tell",
            "kind": "email.send",
            "needs": ["who"],
            "config": {
                "to": "{{ steps.who.output.assignee }}@example.com",
                "subject": "{{ event.title }}: 'quoted' \"twice\" # no comment",
                "text": 'Dear {{ steps.who.output.assignee }},\n\n\t– it is yours.  \n{{ "{{" }} literal\n\n',
                "html": "<p>&amp; <b>é 😀</b></p>",
            },
        },
    ],
}

FAN: dict[str, Any] = {
    "workflow": "fan-out",
    "name": "Fan out: 12:30, 0x1F, 1e3",
    "mode": "draft",
    "owner": "ana",
    "priority": 9,
    "triggers": [
        {"key": "by_hand", "kind": "manual", "config": {"form": {"type": "object", "properties": {"yes": {"type": "null"}}}}},
        {"key": "again", "kind": "manual", "contract": True},
    ],
    "actions": [
        {"key": "north", "kind": "log.write", "config": {"message": "01234", "level": "debug"}, "on_failure": "continue"},
        {"key": "south", "kind": "log.write", "config": {"message": "null"}, "on_unknown": "skip"},
        {
            "key": "each",
            "kind": "transform",
            "needs": ["north", "south"],
            "join": 2,
            "after_skip": "run",
            "for_each": "event.items.filter(i, i.n > 0)",
            "parallel": 10,
            "config": {"values": {"n": "{{ item.n * 1.19 }}", "at": "{{ index }}", "big": 9007199254740993, "tiny": 1e-07}},
        },
        {
            "key": "poll",
            "kind": "http.request",
            "needs": ["each"],
            "join": "any",
            "when": {"expression": "steps.?each.output.hasValue()\n  && true"},
            "repeat": {"until": "output.status == 200", "every": "30s", "max": 3},
            "config": {"url": "https://example.com/a?b=c#d", "method": "GET", "accept": [200, 404]},
        },
    ],
}  # fmt: skip

DOCUMENTS = [pytest.param(one, id=one["workflow"]) for one in (ROUTING, TRIAGE, FAN)]


@pytest.fixture
def api(root: User, ana: User, ben: User, svc: User) -> APIClient:
    """A superuser's client in an installation that has everything the documents name."""
    for name in ("logistics", "risk", "finance", "leads"):
        Group.objects.create(name=name)
    tree = {"field": "event.order.score", "operator": "gt", "value": 0.9}
    shared_conditions.create("risk", "suspicious-order", tree, by=None)
    Connection.objects.create(slug="crm", base_urls=["https://crm.example.com"])
    builders.endpoint("shop")
    client = APIClient()
    client.force_authenticate(root)
    return client


def exact(document: Any) -> str:
    """Everything a document means: values with their types, lists and the order of keys where order counts."""
    ordered = {name: document[name] for name in sorted(document)}
    return json.dumps(ordered, ensure_ascii=False)


def send(api: APIClient, method: str, url: str, text: str, kind: str) -> Any:
    answer = getattr(api, method)(url, data=text.encode(), content_type=kind)
    assert answer.status_code in (200, 201), answer.content
    assert answer.json()["not_applied"] == []
    return answer


def get(api: APIClient, slug: str, kind: str = "application/json") -> Any:
    answer = api.get(f"{API}/{slug}/definition", HTTP_ACCEPT=kind)
    assert answer.status_code == 200
    return answer.json() if kind == "application/json" else answer.content.decode()


def canonical(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the keys of its parts in the order in which they are always written."""
    return document_of(Workflow.objects.get(slug=document["workflow"]))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_json_in_and_out(api: APIClient, document: dict[str, Any]) -> None:
    send(api, "post", f"{API}/import", json.dumps(document), "application/json")
    exported = get(api, document["workflow"])
    assert exported == document
    assert exact(exported) == exact(canonical(document))
    for name in ("conditions", "triggers", "actions", "scenarios"):
        assert list(exported.get(name, ())) == list(document.get(name, ()))
    before = exact(exported)
    answer = send(api, "put", f"{API}/{document['workflow']}/definition", json.dumps(exported), "application/json")
    assert exact(get(api, document["workflow"])) == before
    assert answer.headers["ETag"] == f'"{Workflow.objects.get().revision}"'


def _typed(value: Any) -> Any:
    """Equal only to the same value of the same type, all the way down: 1 is neither 1.0 nor true."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    return [_typed(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_types_and_the_order_of_keys_in_settings_survive(api: APIClient, document: dict[str, Any]) -> None:
    send(api, "post", f"{API}/import", json.dumps(document), "application/json")
    exported = get(api, document["workflow"])
    assert _typed(exported) == _typed(document)
    for before, after in zip(document["actions"], exported["actions"], strict=True):
        assert json.dumps(before["config"]) == json.dumps(after["config"])
    assert json.dumps(document.get("conditions")) == json.dumps(exported.get("conditions"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_yaml_out_and_in_again_byte_by_byte(api: APIClient, document: dict[str, Any]) -> None:
    send(api, "post", f"{API}/import", json.dumps(document), "application/json")
    wanted, checksum = exact(get(api, document["workflow"])), snapshot(Workflow.objects.get()).checksum
    text = get(api, document["workflow"], "application/yaml")
    send(api, "put", f"{API}/{document['workflow']}/definition", text, "application/yaml")
    assert exact(get(api, document["workflow"])) == wanted
    assert get(api, document["workflow"], "application/yaml") == text
    Workflow.objects.all().delete()
    assert send(api, "post", f"{API}/import", text, "application/yaml").status_code == 201
    assert exact(get(api, document["workflow"])) == wanted
    assert get(api, document["workflow"], "application/yaml") == text
    assert snapshot(Workflow.objects.get()).checksum == checksum


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_change_of_one_key_leaves_all_others(api: APIClient, document: dict[str, Any]) -> None:
    send(api, "post", f"{API}/import", json.dumps(document), "application/json")
    assert api.patch(f"{API}/{document['workflow']}", {"process": "other"}, format="json").status_code == 200
    assert exact(get(api, document["workflow"])) == exact(canonical(document) | {"process": "other"})
    assert get(api, document["workflow"]) == document | {"process": "other"}


# The admin's form, as a browser sends it ---------------------------------------------------------------------------


class FormReader(HTMLParser):
    """The fields of a page's form and what a browser would submit, line ends and all."""

    def __init__(self, page: str, form: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._form, self._inside = form, False
        self._textarea, self._text = "", ""
        self._select, self._chosen = "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("id") == self._form
        if not self._inside or "disabled" in given:
            return
        if tag == "input" and given.get("name"):
            if given.get("type") in ("checkbox", "radio"):
                if "checked" in given:
                    self.fields[given["name"]] = given.get("value", "on")
            elif given.get("type") not in ("submit", "button"):
                self.fields[given["name"]] = given.get("value", "").replace("\r", "").replace("\n", "")
        elif tag == "textarea":
            self._textarea, self._text = given["name"], ""
        elif tag == "select":
            self._select, self._chosen = given["name"], ""
            self._first = True
        elif tag == "option" and self._select and (self._first or "selected" in given):
            self._chosen, self._first = given.get("value", ""), False

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea" and self._textarea:
            text = self._text.replace("\r\n", "\n")
            text = text.removeprefix("\n")  # HTML drops the first line end
            self.fields[self._textarea] = text.replace("\n", "\r\n")
            self._textarea = ""
        elif tag == "select" and self._select:
            self.fields[self._select] = self._chosen
            self._select = ""


@pytest.fixture
def submit(client: Client, root: User) -> Callable[..., Workflow]:
    """Open the workflow's form as a browser does, change these fields, and save."""

    def act(**changes: str) -> Workflow:
        client.force_login(root)
        workflow = Workflow.objects.get()
        url = reverse("admin:automations_workflow_change", args=[workflow.pk])
        fields = FormReader(client.get(url).content.decode(), "workflow_form").fields
        assert set(changes) <= set(fields), sorted(fields)
        answer = client.post(url, fields | changes)
        assert answer.status_code == 302, [form.errors for form in answer.context["errors"]] or answer.context["errors"]
        return Workflow.objects.get()

    return act


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_form_saved_as_it_is_changes_nothing(
    api: APIClient, submit: Callable[..., Workflow], document: dict[str, Any]
) -> None:
    send(api, "post", f"{API}/import", json.dumps(document), "application/json")
    before = exact(get(api, document["workflow"]))
    checksum = snapshot(Workflow.objects.get()).checksum
    saved = submit()
    assert saved.revision == 2
    assert exact(get(api, document["workflow"])) == before
    assert snapshot(saved).checksum == checksum


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_field_changed_in_the_form_changes_only_itself(
    api: APIClient, submit: Callable[..., Workflow], document: dict[str, Any]
) -> None:
    send(api, "post", f"{API}/import", json.dumps(document), "application/json")
    wanted = copy.deepcopy(document) | {"name": "Another name"}
    wanted["actions"][0]["owner"] = "somebody"
    submit(**{"name": "Another name", "actions-0-owner": "somebody"})
    assert get(api, document["workflow"]) == wanted
