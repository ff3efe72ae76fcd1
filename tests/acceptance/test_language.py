"""Say it precisely: operators, refusals, hostile input, and definitions that survive, over the API."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from automations.documents import read_text
from automations.engine.operators import OPERATORS
from automations.models import Workflow
from runs import dispatch
from runs.models import Step
from tests import builders
from tests.automations.engine import test_conditions
from tests.builders import action
from tests.receiver import Receiver
from tests.runs.drains import carry_all

API = "/api/v1"


@pytest.fixture
def api(root: User, ana: User, svc: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(root)
    return client


def imported(api: APIClient, text: str, kind: str = "application/yaml") -> Any:
    return api.post(f"{API}/workflows/import", data=text.encode(), content_type=kind)


# Every operator ----------------------------------------------------------------------------------------------------


def test_every_operator_is_tried_with_every_type_of_field() -> None:
    kinds = {type(value) for value in test_conditions.FIELDS.values()}
    assert {str, int, float, bool, list, dict, type(None)} <= kinds
    assert "missing" in test_conditions.FIELDS
    assert {row[0] for row in test_conditions.TABLE} | {"changed", "changed_to"} == set(OPERATORS)


@pytest.mark.django_db
def test_every_operator_is_told_with_its_words_and_what_it_takes(api: APIClient) -> None:
    told = {one["name"]: one for one in api.get(f"{API}/kinds").json()["operators"]}
    assert set(told) == set(OPERATORS)
    assert all(one["words"] and one["takes"] for one in told.values())


# Refusals ----------------------------------------------------------------------------------------------------------

GOOD = """workflow: precise
owner: ana
triggers:
  - key: paid
    kind: event
    config: {types: [order.paid]}
    filter: event.total > 5
conditions:
  large: {field: event.total, operator: gt, value: 100}
actions:
  - key: first
    kind: transform
    config: {values: {n: "{{ event.total }}"}}
  - key: second
    kind: email.send
    needs: [first]
    when: large
    config: {to: a@example.com, subject: s, text: "{{ steps.first.output.n }}"}
    retry: {attempts: 3}
"""

#: what is written instead of what → path, line, what the message must say, what would be right
REFUSED: list[tuple[str, str, str, int, str, str]] = [
    ("kind: event", "kind: evnt", "triggers[0].kind", 5, "not a kind of trigger", "Did you mean “event”"),
    ("event.total > 5", "event.total >", "triggers[0].filter", 7, "line 1, column 14", "expected a value"),
    ("event.total > 5", "evnt.total > 5", "triggers[0].filter", 7, "line 1, column 1", "did you mean 'event'"),
    ("event.total > 5", "steps.first.x == 1", "triggers[0].filter", 7, "steps", "event, now, trigger, workflow"),
    ("operator: gt", "operator: greater", "conditions.large.operator", 9, "not an operator", "Did you mean “gt”"),
    ("value: 100", "value: many", "conditions.large.value", 9, "cannot use text", "It takes a number"),
    ("operator: gt", "operator: exists", "conditions.large.value", 9, "takes no value", "Leave it out"),
    ("field: event.total", "field: order.total", "conditions.large.field", 9, "not known here", "event.order.total"),
    ("operator: gt, value: 100", "operator: matches, value: (a", "conditions.large.value", 9, "(a", "RE2"),
    ("{field: event.total, operator: gt, value: 100}", "{}", "conditions.large", 9, "empty", "Write {all"),
    ("{field: event.total, operator: gt, value: 100}", "{and: []}", "conditions.large.and", 9, "no form", "“any”"),
    ("{field: event.total, operator: gt, value: 100}", "{use: a/b}", "conditions.large.use", 9, "a/b", "team/name"),
    ("{{ event.total }}", "{{ event.total", "actions[0].config.values.n", 13, "line 1, column 1", "closed by “}}”"),
    ("{{ event.total }}", "{{ secrets.key }}", "actions[0].config.values.n", 13, "column 4", "known here: event"),
    ("values: {n", "valeus: {n", "actions[0].config.valeus", 13, "not known here", "Did you mean “values”"),
    ("needs: [first]", "needs: [frist]", "actions[1].needs[0]", 16, "There is no action", "Did you mean “first”"),
    ("needs: [first]", "needs: [second]", "actions[1].needs", 16, "circle: second → second", "Take one need out"),
    ("when: large", "when: lrge", "actions[1].when", 17, "no condition named", "Did you mean “large”"),
    ("steps.first.output", "steps.frist.output", "actions[1].config.text", 18, "no step", "Did you mean “first”"),
    ("steps.first.output", "steps.first.outptu", "actions[1].config.text", 18, "outptu", "steps.first.output.outptu"),
    ("    needs: [first]\n", "", "actions[1].config.text", 17, "need not have run", "Add first to its needs"),
    ("attempts: 3", "attempts: 0", "actions[1].retry.attempts", 19, "a number (0)", "from 1 to 100"),
    ("attempts: 3", "attempts: yes", "actions[1].retry.attempts", 19, 'text ("yes")', "a whole number"),
    ("retry: {attempts: 3}", "timeout: 30", "actions[1].timeout", 19, "not a duration", "like 500ms, 2s"),
    ("key: second", "key: first", "actions[1].key", 14, "used twice", "Give each its own key"),
    ("workflow: precise", "workflow: Very Precise", "workflow", 1, "wrong form", "order-routing"),
    ("owner: ana", "onwer: ana", "onwer", 2, "not known here", "Did you mean “owner”"),
    ("to: a@example.com", "to: 5", "actions[1].config.to", 18, "a number (5)", "text or a list"),
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(("good", "bad", "path", "line", "what", "right"), REFUSED, ids=lambda part: str(part)[:40])
def test_a_refusal_names_path_line_position_and_what_would_be_right(
    api: APIClient, good: str, bad: str, path: str, line: int, what: str, right: str
) -> None:
    assert good in GOOD
    answer = imported(api, GOOD.replace(good, bad, 1))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    found = next(error for error in answer.json()["errors"] if error["path"] == path)
    assert found["line"] == line
    told = f"{found['message']} {found.get('fix', '')}"
    assert what in told and right in told
    assert not Workflow.objects.exists()


@pytest.mark.django_db
def test_all_that_is_wrong_is_told_at_once(api: APIClient) -> None:
    text = GOOD
    for good, bad, *_ in (REFUSED[0], REFUSED[4], REFUSED[14], REFUSED[17], REFUSED[21]):
        text = text.replace(good, bad, 1)
    paths = [error["path"] for error in imported(api, text).json()["errors"]]
    wanted = [
        "triggers[0].kind",
        "conditions.large.operator",
        "actions[0].config.valeus",
        "actions[1].when",
        "actions[1].retry.attempts",
    ]
    assert [path for path in paths if path in wanted] == wanted


@pytest.mark.django_db
def test_the_good_definition_is_accepted(api: APIClient) -> None:
    answer = imported(api, GOOD)
    assert (answer.status_code, answer.json()["findings"], answer.json()["not_applied"]) == (201, [], [])


# Hostile input (RELIABILITY D.2, rows 1, 2, 13, 14) ----------------------------------------------------------------

ESCAPES = [
    "event.__class__", "event.__class__.__mro__[1].__subclasses__()", "''.__class__", "[].__class__.__base__",
    "event.constructor.constructor('return 1')()", "__import__('os').system('id')", "eval('1')", "exec('1')", "open('/etc/passwd')",
    "getattr(event, 'x')", "globals()", "vars()", "self", "cls", "lambda: 1", "f'{event}'", "secrets.key", "settings.SECRET_KEY",
    "env.PATH", "process.env", "connection.auth", "event.text.format.__globals__", "type(1).__subclasses__()", "ev\u0435nt.text",
    "\uff45vent.text", "event\u200b.text", "size.__globals__", "cel.__class__", "math.__dict__", "run.__class__", "workflow.owner.password",
]  # fmt: skip
LITERALS = [
    "{{7*7}}", "{{ secrets.x }}", "{{ event.__class__ }}", "{0.__class__}", "{event.__class__}", "%(x)s", "${7*7}", "#{7*7}",
    "<%= 7*7 %>", "{% import os %}", "`id`", "$(id)", "\u202e{{ 7 }}", "{{", "}}", "{{{{7}}}}", "‹steps.first.output›",
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("source", ESCAPES)
def test_an_escape_in_a_template_a_condition_or_a_filter_comes_away_empty_handed(api: APIClient, source: str) -> None:
    """Refused when saved, or an error or a missing value when evaluated; never a value."""
    made = {
        "workflow": "escape",
        "triggers": [{"key": "by_hand", "kind": "manual"}],
        "actions": [{"key": "template", "kind": "transform", "config": {"values": {"x": "{{ " + source + " }}"}}}],
    }
    rule = {"expression": f"string({source}) != ''"}
    for name, document in (
        ("template", made),
        ("condition", made | {"actions": [made["actions"][0] | {"config": {"values": {}}, "when": rule}]}),
        ("filter", made | {"actions": [], "triggers": [{"key": "by_hand", "kind": "manual", "filter": rule}]}),
    ):
        answer = imported(api, json.dumps(document | {"workflow": f"escape-{name}"}), "application/json")
        if answer.status_code == 400:
            assert all("s3cret" not in error["message"] for error in answer.json()["errors"])
            continue
        url = f"{API}/workflows/escape-{name}/run-test"
        tested = api.post(url, {"payload": {"text": "s3cret"}}, format="json").json()
        assert tested["candidates"] == [] or (name == "filter" and not tested["matched"]), tested


@pytest.mark.django_db(transaction=True)
def test_what_arrives_is_data_all_the_way_and_never_evaluated_again(ana: User, svc: User) -> None:
    """A payload full of templates passes a filter, two templates, a table and a call, and arrives byte by byte."""
    table = {
        "hit": "first",
        "rows": [{"when": {"field": "event.text", "operator": "ne", "value": ""}, "then": {"t": "{{ event.text }}"}}],
    }
    with Receiver() as receiver:
        builders.connection("crm", receiver.url)
        made = builders.workflow(
            action("first", config={"values": {"text": "{{ event.text }}", "around": "<{{ event.text }}>"}}),
            action("table", "decision.table", needs=["first"], config=table),
            action(
                "call",
                "http.request",
                needs=["table"],
                config={
                    "connection": "crm",
                    "method": "POST",
                    "path": "/notes",
                    "json": {
                        "a": "{{ steps.first.output.text }}",
                        "b": "{{ steps.table.output.t }}",
                        "c": "{{ steps.first.output.around }}",
                    },
                },
            ),
        )
        runs = [dispatch.start(made, {"text": text}, by=None) for text in LITERALS]
        carry_all(60)
        sent = {call.json["a"]: call.json for call in receiver.calls}
    assert [sent[text] for text in LITERALS] == [{"a": text, "b": text, "c": f"<{text}>"} for text in LITERALS]
    recorded = Step.objects.filter(run__in=runs, action="first").values_list("output", flat=True)
    assert sorted(output["text"] for output in recorded) == sorted(LITERALS)


HOSTILE_YAML = {
    "python object": "workflow: !!python/object/apply:os.system ['id']",
    "python name": "workflow: x\nname: !!python/name:os.system",
    "any tag": "workflow: !secret x",
    "binary": "workflow: !!binary aGk=",
    "billion laughs": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "quadratic": "a: &a [" + "x, " * 5000 + "x]\nb: [" + ", ".join(["*a"] * 5000) + "]",
    "ring": "a: &a [*a]",
    "merge": "a: &a {x: 1}\nb: {<<: *a}",
    "two documents": "workflow: a\n---\nworkflow: b",
    "same key twice": "workflow: a\nworkflow: b",
    "huge number": "workflow: a\npriority: " + "9" * 5000,
    "huge exponent": "workflow: a\npriority: 1e999999999",
    "infinite": "workflow: a\npriority: .inf",
    "deep": "workflow: a\nconditions: " + "[" * 5000,
    "deep json": json.dumps({"workflow": "a"})[:-1] + ', "conditions": ' + "[" * 100_000,
    "NUL": 'workflow: a\nname: "\\0"',
    "surrogate": 'workflow: a\nname: "\\ud800"',
    "not text": "workflow: \xff\xfe".encode("latin-1").decode("latin-1"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("text", HOSTILE_YAML.values(), ids=HOSTILE_YAML)
def test_a_hostile_file_is_refused_with_its_place_and_stores_nothing(api: APIClient, text: str) -> None:
    kind = "application/json" if text.startswith("{") else "application/yaml"
    answer = imported(api, text, kind)
    assert answer.status_code == 400
    (first, *_rest) = answer.json()["errors"]
    assert first["message"] and len(answer.content) < 20_000
    assert not Workflow.objects.exists()


def test_the_norwegian_survives_and_so_do_times_and_codes() -> None:
    text = "a: NO\nb: yes\nc: on\nd: 12:30\ne: 01234\nf: 2026-01-31\ng: true\nh: ~\ni: 1e3\nj: 0x1F\nk: '5'"
    data, _lines = read_text(text)
    assert data == {
        "a": "NO", "b": "yes", "c": "on", "d": "12:30", "e": "01234", "f": "2026-01-31", "g": True, "h": None, "i": 1000.0,
        "j": 31, "k": "5",
    }  # fmt: skip


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "(a|a)*b", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_regular_expression_cannot_stall_a_condition_or_an_expression(pattern: str) -> None:
    from automations.engine.cel import evaluate
    from automations.engine.conditions import evaluate as judge

    subject = "a" * 50_000 + "!"
    began = time.perf_counter()
    verdict = judge({"field": "event.text", "operator": "matches", "value": pattern}, {"event": {"text": subject}})
    answer = evaluate("event.text.matches(event.pattern)", {"event": {"text": subject, "pattern": pattern}})
    assert verdict.matched is answer is bool(re.search(r"z", subject))
    assert time.perf_counter() - began < 10  # not a measurement: backtracking would take longer than the universe


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["(a", r"(a)\1", "a(?=b)", "((a{100}){100}){100}", "a" * 100_000])
def test_a_regular_expression_that_is_none_is_refused_when_saved(api: APIClient, value: str) -> None:
    text = GOOD.replace("operator: gt, value: 100", f"operator: matches, value: {json.dumps(value)}")
    answer = imported(api, text)
    assert answer.status_code == 400
    (error,) = [one for one in answer.json()["errors"] if one["path"] == "conditions.large.value"]
    assert "RE2" in error["fix"] and len(error["message"]) < 300


# Absence is a decision ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("template", "payload", "value"),
    [
        ("{{ event.?a.b.orValue(1) }}", {}, 1),
        ("{{ event.?a.?b.orValue(1) }}", {}, 1),
        ("{{ event.?a.?b.orValue(1) }}", {"a": None}, 1),
        ("{{ event.?a.?b.orValue(1) }}", {"a": {"b": None}}, None),
        ("{{ event.?a.?b.orValue(1) }}", {"a": {"b": 2}}, 2),
        ("{{ event.?a.?b[?0].orValue(1) }}", {"a": {"b": None}}, 1),
        ("{{ event.a }}", {"a": None}, None),
        ("{{ event.?a.b.orValue(1) }}", {"a": None}, ...),
        ("{{ event.a.b }}", {"a": None}, ...),
        ("{{ event.a }}", {}, ...),
    ],
)
def test_what_is_absent_or_null(api: APIClient, template: str, payload: Any, value: Any) -> None:
    """`...` stands for undecidable, with the path that is missing."""
    made = builders.workflow(action("note", config={"values": {"x": template}}), live=False)
    answer = api.post(
        f"{API}/workflows/{made.slug}/run-test", {"payload": payload, "trigger": "by_hand"}, format="json"
    ).json()
    if value is ...:
        ((blocked),) = answer["blocked"]
        assert re.fullmatch(r"event\.a(\.b)? is missing", blocked["reason"])
    else:
        assert answer["candidates"][0]["input"] == {"values": {"x": value}}
