"""Workflows and their definitions over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from automations import documents, permissions
from automations.models import Condition, Workflow
from tests.api.conftest import As, paths
from tests.automations.definitions import orders

pytestmark = pytest.mark.django_db

URL = "/api/v1/workflows"


def test_a_workflow_is_created_with_as_much_as_is_known(as_: As, root: User) -> None:
    answer = as_(root).post(URL, {"slug": "order-routing", "name": "Route orders"}, format="json")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["slug"], body["mode"], body["owner"], body["version"]) == ("order-routing", "draft", "root", None)
    assert {finding["path"] for finding in body["findings"]} == {"triggers", "actions"}
    assert answer["ETag"] == '"1"'


def test_a_slug_is_created_once(as_: As, root: User, workflow: Workflow) -> None:
    answer = as_(root).post(URL, orders(), format="json")
    assert answer.status_code == 400
    assert paths(answer) == ["workflow"]


@pytest.mark.parametrize("slug", ["import", "123"])
def test_a_slug_that_is_an_address_is_refused(as_: As, root: User, slug: str) -> None:
    assert as_(root).post(URL, {"slug": slug}, format="json").status_code == 400


def test_a_workflow_is_found_by_number_and_by_slug(as_: As, root: User, workflow: Workflow) -> None:
    by_number = as_(root).get(f"{URL}/{workflow.pk}").json()
    assert by_number == as_(root).get(f"{URL}/{workflow.slug}").json()
    assert by_number["run_as"] == "svc-orders"
    assert as_(root).get(f"{URL}/{10**30}").status_code == 404


def test_workflows_are_listed_newest_first_and_filtered(as_: As, root: User, workflow: Workflow) -> None:
    documents.save({"workflow": "second", "mode": "simulate"}, by=None, incomplete=True)
    listed = as_(root).get(URL).json()
    assert [row["slug"] for row in listed["results"]] == ["second", "order-routing"]
    assert set(listed) == {"results", "next", "previous"}
    assert [row["slug"] for row in as_(root).get(f"{URL}?owner=ana").json()["results"]] == ["order-routing"]
    assert [row["slug"] for row in as_(root).get(f"{URL}?mode=simulate").json()["results"]] == ["second"]
    assert as_(root).get(f"{URL}?mode=nothing").status_code == 400


def test_a_list_is_walked_by_its_cursor(as_: As, root: User, workflow: Workflow) -> None:
    for number in range(4):
        documents.save({"workflow": f"w{number}"}, by=None, incomplete=True)
    seen, url = [], f"{URL}?limit=2"
    while url:
        page = as_(root).get(url).json()
        seen += [row["slug"] for row in page["results"]]
        url = page["next"]
    assert seen == ["w3", "w2", "w1", "w0", "order-routing"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "cursor=nonsense"])
def test_a_page_that_cannot_be_is_refused(as_: As, root: User, query: str) -> None:
    answer = as_(root).get(f"{URL}?{query}")
    assert (answer.status_code, paths(answer)) == (400, [query.partition("=")[0]])


def test_a_patch_replaces_keys_of_the_document(as_: As, root: User, workflow: Workflow) -> None:
    answer = as_(root).patch(f"{URL}/{workflow.pk}", {"name": "New", "alerts": None, "priority": 7}, format="json")
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["priority"]) == ("New", 7)
    assert "alerts" not in documents.document_of(Workflow.objects.get())


def test_a_patch_cannot_change_mode_or_slug(as_: As, root: User, workflow: Workflow) -> None:
    assert paths(as_(root).patch(f"{URL}/{workflow.pk}", {"mode": "simulate"}, format="json")) == ["mode"]
    assert paths(as_(root).patch(f"{URL}/{workflow.pk}", {"workflow": "x"}, format="json")) == ["workflow"]


def test_a_workflow_is_deleted_with_what_its_tests_left(as_: As, root: User, workflow: Workflow) -> None:
    assert as_(root).post(f"{URL}/{workflow.pk}/scenarios/run").status_code == 200
    assert as_(root).delete(f"{URL}/{workflow.pk}").status_code == 204
    assert not Workflow.objects.exists()


# Definition --------------------------------------------------------------------------------------------------------


def test_a_definition_comes_as_json_and_as_yaml(as_: As, root: User, workflow: Workflow) -> None:
    document = documents.document_of(workflow)
    answer = as_(root).get(f"{URL}/{workflow.pk}/definition")
    assert answer.json() == document
    assert answer["ETag"] == f'"{workflow.revision}"'
    for name in ("application/yaml", "text/yaml", "application/x-yaml"):
        text = as_(root).get(f"{URL}/{workflow.pk}/definition", HTTP_ACCEPT=name)
        assert text["Content-Type"].startswith(name)
        assert documents.read_text(text.content)[0] == document


def test_a_definition_is_replaced_by_yaml(as_: As, root: User, workflow: Workflow) -> None:
    text = documents.write_text(orders(name="Wrote in YAML", description="NO, not a boolean"))
    answer = as_(root).put(f"{URL}/{workflow.slug}/definition", text, content_type="application/yaml")
    assert answer.status_code == 200
    assert set(answer.json()) == {"id", "slug", "revision", "not_applied", "findings"}
    assert Workflow.objects.get().name == "Wrote in YAML"


def test_an_unfinished_definition_is_saved_with_findings(as_: As, root: User, workflow: Workflow) -> None:
    document = orders(triggers=[{"key": "hook", "kind": "webhook", "config": {}}])
    answer = as_(root).put(f"{URL}/{workflow.pk}/definition", document, format="json")
    assert answer.status_code == 200
    assert [finding["path"] for finding in answer.json()["findings"]] == ["triggers[0].config.endpoint"]


def test_a_wrong_definition_is_refused_with_path_line_and_fix(as_: As, root: User, workflow: Workflow) -> None:
    text = "workflow: order-routing\nactions:\n  - key: a\n    kind: transfrom\n    config: {values: {}}\n"
    answer = as_(root).put(f"{URL}/{workflow.pk}/definition", text, content_type="application/yaml")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    error = answer.json()["errors"][0]
    assert (error["path"], error["line"]) == ("actions[0].kind", 4)
    assert "transform" in error["fix"]


def test_a_write_on_an_old_revision_is_refused(as_: As, root: User, workflow: Workflow) -> None:
    url, tag = f"{URL}/{workflow.pk}/definition", as_(root).get(f"{URL}/{workflow.pk}/definition")["ETag"]
    assert as_(root).put(url, orders(name="First"), format="json", HTTP_IF_MATCH=tag).status_code == 200
    stale = as_(root).put(url, orders(name="Second"), format="json", HTTP_IF_MATCH=tag)
    assert stale.status_code == 412
    assert Workflow.objects.get().name == "First"
    for method in ("patch", "delete"):
        call = getattr(as_(root), method)
        assert call(f"{URL}/{workflow.pk}", {}, format="json", HTTP_IF_MATCH=tag).status_code == 412
    assert as_(root).put(url, orders(name="Third"), format="json", HTTP_IF_MATCH="*").status_code == 200
    assert as_(root).put(url, orders(), format="json", HTTP_IF_MATCH='"nonsense"').status_code == 412


# Import ------------------------------------------------------------------------------------------------------------


def test_an_import_creates_and_then_replaces(as_: As, root: User, ana: User, svc: User) -> None:
    first = as_(root).post(f"{URL}/import", orders(), format="json")
    assert first.status_code == 201
    assert first.json()["not_applied"] == first.json()["findings"] == []
    again = as_(root).post(f"{URL}/import", orders(name="Again"), format="json")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert Workflow.objects.get().name == "Again"


def test_an_import_is_strict_unless_told_otherwise(as_: As, root: User) -> None:
    document = orders(triggers=[{"key": "hook", "kind": "webhook", "config": {"endpoint": "shop"}}])
    refused = as_(root).post(f"{URL}/import", document, format="json")
    assert (refused.status_code, paths(refused)) == (400, ["triggers[0].config.endpoint"])
    assert not Workflow.objects.exists()
    assert as_(root).post(f"{URL}/import?incomplete=allow", document, format="json").status_code == 201
    assert as_(root).post(f"{URL}/import?incomplete=maybe", document, format="json").status_code == 400


def test_an_import_names_what_the_importer_may_not_grant(as_: As, ben: User, workflow: Workflow, svc: User) -> None:
    permissions.grant(workflow, ben, "builder")
    answer = as_(ben).post(f"{URL}/import", orders() | {"workflow": "another", "owner": "nobody"}, format="json")
    assert answer.status_code == 201
    assert {missed["path"] for missed in answer.json()["not_applied"]} == {"owner", "run_as"}


BAD_YAML = {
    "not closed": "workflow: [a",
    "a tag": "workflow: !!python/object:os.system x",
    "a duplicate key": "workflow: a\nworkflow: b\n",
    "nothing": "",
    "a list": "- a\n- b\n",
    "a merge key": "workflow: a\nx: &x {a: 1}\ny: {<<: *x}\n",
}


@pytest.mark.parametrize("text", BAD_YAML.values(), ids=BAD_YAML)
def test_bad_yaml_is_a_clear_error(as_: As, root: User, text: str) -> None:
    answer = as_(root).post(f"{URL}/import", text, content_type="application/yaml")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]
    assert not Workflow.objects.exists()


def _with(document: dict[str, Any], part: str, index: int, **changes: Any) -> dict[str, Any]:
    document[part][index] |= changes
    return document


BAD_DEFINITIONS = {
    "unknown kind": (_with(orders(), "actions", 0, kind="teleport"), "actions[0].kind"),
    "unknown operator": (
        orders(conditions={"large": {"field": "event.x", "operator": "bigger", "value": 1}}),
        "conditions.large.operator",
    ),
    "cyclic needs": (_with(orders(), "actions", 0, needs=["announce"]), "actions[0].needs"),
    "unknown need": (_with(orders(), "actions", 1, needs=["message", "x"]), "actions[1].needs[1]"),
    "broken expression": (_with(orders(), "triggers", 0, filter="event.type =="), "triggers[0].filter"),
    "unknown key": (orders(colour="red"), "colour"),
    "a number as name": (orders(name=5), "name"),
}


@pytest.mark.parametrize(("document", "path"), BAD_DEFINITIONS.values(), ids=BAD_DEFINITIONS)
def test_a_wrong_definition_is_refused_with_its_path(as_: As, root: User, document: Any, path: str) -> None:
    answer = as_(root).post(f"{URL}/import?incomplete=allow", document, format="json")
    assert answer.status_code == 400
    assert path in paths(answer)
    assert not Workflow.objects.exists()


# The rest ----------------------------------------------------------------------------------------------------------


def test_a_step_is_renamed(as_: As, root: User, workflow: Workflow) -> None:
    answer = as_(root).post(f"{URL}/{workflow.pk}/rename-step", {"from": "message", "to": "note"}, format="json")
    assert answer.status_code == 200
    assert [row.key for row in workflow.actions.all()] == ["note", "announce"]
    refused = as_(root).post(f"{URL}/{workflow.pk}/rename-step", {"from": "note", "to": "announce"}, format="json")
    assert (refused.status_code, paths(refused)) == (400, ["to"])


def test_a_workflow_is_duplicated(as_: As, root: User, workflow: Workflow) -> None:
    answer = as_(root).post(f"{URL}/{workflow.pk}/duplicate", {"slug": "copy"}, format="json")
    assert (answer.status_code, answer.json()["slug"], answer.json()["mode"]) == (200, "copy", "draft")


def test_the_check_lists_what_stands_in_the_way(as_: As, root: User, workflow: Workflow) -> None:
    assert as_(root).get(f"{URL}/{workflow.pk}/check").json() == []
    document = orders(triggers=[{"key": "hook", "kind": "webhook", "config": {}}], scenarios=None)
    documents.save(document, by=None, incomplete=True)
    found = as_(root).get(f"{URL}/{workflow.pk}/check").json()
    assert [(row["path"], row["severity"]) for row in found] == [("triggers[0].config.endpoint", "error")]


def test_scenarios_are_listed_and_added(as_: As, root: User, workflow: Workflow) -> None:
    url = f"{URL}/{workflow.pk}/scenarios"
    made = as_(root).post(url, {"name": "third", "payload": {"a": 1}, "expect": {"matched": False}}, format="json")
    assert made.status_code == 201
    assert [row["name"] for row in as_(root).get(url).json()["results"]] == ["third", "a small order", "a large order"]
    wrong = as_(root).post(url, {"name": "fourth", "payload": {}, "expect": {"candidates": ["x"]}}, format="json")
    assert (wrong.status_code, paths(wrong)) == (400, ["expect.candidates[0]"])
    assert as_(root).post(url, {"name": "third", "payload": {}}, format="json").status_code == 400


def test_kinds_come_with_their_schemas(as_: As, root: User) -> None:
    body = as_(root).get("/api/v1/kinds").json()
    assert {"webhook", "manual", "event"} <= {kind["name"] for kind in body["triggers"]}
    assert {"transform", "http.request"} <= {kind["name"] for kind in body["actions"]}
    assert {"eq", "within_last", "matches"} <= {operator["name"] for operator in body["operators"]}
    assert all(kind["schema"]["type"] == "object" for kind in body["actions"])


def test_access_is_replaced_as_a_whole(as_: As, ana: User, ben: User, workflow: Workflow) -> None:
    Group.objects.create(name="finance")
    url = f"{URL}/{workflow.pk}/access"
    wanted = [{"user": "ben", "role": "operator"}, {"group": "finance", "role": "approver"}]
    assert as_(ana).put(url, wanted, format="json").json() == wanted
    assert as_(ben).get(url).json() == wanted
    wrong = [{"user": "nobody", "role": "operator"}, {"user": "ben", "group": "finance", "role": "viewer"}]
    answer = as_(ana).put(url, wrong, format="json")
    assert (answer.status_code, paths(answer)) == (400, ["[0].user", "[1]"])
    assert as_(ana).put(url, [{"user": "ben", "role": "king"}], format="json").status_code == 400
    assert as_(ana).get(url).json() == wanted
    assert as_(ana).put(url, [], format="json").json() == []


def test_shared_conditions_belong_to_a_team(as_: As, root: User, ben: User, workflow: Workflow) -> None:
    team = Group.objects.create(name="risk")
    permissions.grant(workflow, ben, "builder")
    body = {"team": "risk", "name": "large", "tree": {"field": "event.order.total", "operator": "gt", "value": 100}}
    assert as_(ben).post("/api/v1/conditions", body, format="json").status_code == 403
    ben.groups.add(team)
    made = as_(ben).post("/api/v1/conditions", body, format="json")
    assert made.status_code == 201
    assert paths(as_(ben).post("/api/v1/conditions", body, format="json")) == ["name"]
    wrong = body | {"name": "other", "tree": {"field": "event.x", "operator": "bigger"}}
    assert paths(as_(ben).post("/api/v1/conditions", wrong, format="json")) == ["tree.operator"]
    documents.save(orders(conditions={"large": {"use": "risk/large"}}), by=None)
    used = as_(ben).get(f"/api/v1/conditions/{made.json()['id']}/used-by").json()
    assert [row["slug"] for row in used] == ["order-routing"]
    assert len(as_(ben).get("/api/v1/conditions").json()["results"]) == Condition.objects.filter(workflow=None).count()


def test_the_definition_schema_accepts_what_may_be_saved(as_: As, root: User) -> None:
    import jsonschema_rs

    schema = as_(root).get("/api/v1/definition-schema").json()
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert validator.is_valid(orders())
    assert not validator.is_valid(orders(colour="red"))
    assert not validator.is_valid(_with(orders(), "actions", 0, kind="teleport"))
    assert not validator.is_valid(orders(conditions={"large": {"field": "event.x", "operator": "bigger"}}))
    assert json.dumps(schema)
