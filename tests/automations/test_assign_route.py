"""assign.route: pools, rules, subjects, turns that are never lost nor used twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from automations import kinds
from automations.engine.plan import check
from automations.kinds import Call, actions
from automations.models import RouteCounter, Subject, Workflow
from runs import dispatch
from runs.models import DeadLetter, LogEntry, Run, Step
from runs.simulation import run_test
from tests.builders import action, document, workflow
from tests.runs.drains import carry_all

EVENT = {"key": "said", "kind": "event", "config": {"types": ["orders.said"]}}
ABOUT_ORDERS = [EVENT | {"subject": {"type": "order", "key": "event.id"}}]


def route(method: str = "round_robin", **config: Any) -> dict[str, Any]:
    config = config or {"among": ["ana", "ben", "carl"]}
    return action("route", "assign.route", config={"method": method, **config})


def rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({"value": value[0]} if value else {})


def said(*payloads: Any) -> list[int]:
    """Publish these, carry all, and return the runs in order."""
    found = [dispatch.publish(route="event:orders.said", type="orders.said", payload=one).runs[0] for one in payloads]
    carry_all()
    return found


def assigned(*payloads: Any) -> list[str]:
    runs = said(*payloads)
    outputs = dict(Step.objects.filter(run__in=runs, action="route").values_list("run", "output"))
    return [outputs[run]["assignee"] for run in runs]


def one_by_one(*payloads: Any) -> list[str]:
    """Like `assigned`, each carried to its end before the next arrives."""
    return [name for payload in payloads for name in assigned(payload)]


@pytest.mark.django_db(transaction=True)
class TestTurns:
    def test_round_robin_is_durable_from_run_to_run(self) -> None:
        workflow(route(), triggers=ABOUT_ORDERS)
        assert one_by_one(*({"id": n} for n in range(5))) == ["ana", "ben", "carl", "ana", "ben"]
        assert RouteCounter.objects.get().state["turn"] == 5

    def test_many_runs_at_once_are_shared_out_exactly(self) -> None:
        workflow(route(), triggers=ABOUT_ORDERS)
        assert Counter(assigned(*({"id": n} for n in range(60)))) == {"ana": 20, "ben": 20, "carl": 20}

    def test_weights(self) -> None:
        workflow(route("weighted", among=["ana", "ben"], weights={"ana": 3, "ben": 1}), triggers=ABOUT_ORDERS)
        assert Counter(assigned(*({"id": n} for n in range(16)))) == {"ana": 12, "ben": 4}

    def test_a_new_release_goes_on_with_the_turns(self) -> None:
        workflow(route(), triggers=ABOUT_ORDERS)
        assert one_by_one({"id": 1}) == ["ana"]
        workflow(route(among=["ana", "ben", "dora"]), triggers=ABOUT_ORDERS)
        assert one_by_one({"id": 2}, {"id": 3}, {"id": 4}) == ["ben", "dora", "ana"]

    def test_the_pool_may_come_from_the_event(self) -> None:
        workflow(route(among="{{ event.team }}"), triggers=ABOUT_ORDERS)
        assert one_by_one({"id": 1, "team": ["x", "y"]}, {"id": 2, "team": ["x", "y"]}, {"id": 3, "team": ["z"]}) == [
            "x",
            "y",
            "z",
        ]

    def test_the_active_members_of_a_group_by_name(self) -> None:
        workflow(route(group="support"), triggers=ABOUT_ORDERS)
        group = Group.objects.create(name="support")
        for name in ("zoe", "ben", "ana"):
            User.objects.create(username=name) if name != "ana" else None
            User.objects.get(username=name).groups.add(group)
        User.objects.filter(username="ben").update(is_active=False)
        assert one_by_one({"id": 1}, {"id": 2}, {"id": 3}) == ["ana", "zoe", "ana"]

    def test_rules_choose_the_pool_each_with_turns_of_its_own(self) -> None:
        rules = [
            {"when": rule("event.total", "gt", 100), "then": {"among": ["dora", "eve"]}},
            {"when": rule("event.vip", "is_true"), "then": {"method": "first", "among": ["zoe", "ana"]}},
        ]
        workflow(route(among=["ana", "ben"], rules=rules), triggers=ABOUT_ORDERS)
        events = [(250, False), (20, False), (250, True), (20, True), (20, False), (250, False), (20, True)]
        found = one_by_one(*({"id": n, "total": total, "vip": vip} for n, (total, vip) in enumerate(events)))
        assert found == ["dora", "ana", "eve", "zoe", "ben", "dora", "zoe"]

    def test_a_rule_that_cannot_be_decided_is_a_dead_letter(self) -> None:
        rules = [{"when": rule("event.total", "gt", 100), "then": {"among": ["dora"]}}]
        workflow(route(among=["ana"], rules=rules), triggers=ABOUT_ORDERS)
        said({"id": 1})
        assert DeadLetter.objects.get().error["context"]["path"] == "event.total"
        assert not RouteCounter.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestSubjects:
    def test_the_subject_is_made_and_assigned(self) -> None:
        workflow(route(), triggers=ABOUT_ORDERS)
        said({"id": 7})
        subject = Subject.objects.get()
        assert (subject.type, subject.key, subject.assignee) == ("order", "7", "ana")

    def test_a_subject_that_exists_keeps_what_else_it_has(self) -> None:
        workflow(route(), triggers=ABOUT_ORDERS)
        Subject.objects.create(type="order", key="7", status="new", assignee="zoe", attributes={"a": 1})
        said({"id": 7})
        subject = Subject.objects.get()
        assert (subject.assignee, subject.status, subject.attributes) == ("ana", "new", {"a": 1})

    def test_an_event_about_nothing_is_assigned_without_a_subject(self) -> None:
        workflow(route(), triggers=[EVENT])
        assert assigned({"id": 7}) == ["ana"]
        assert not Subject.objects.exists()

    def test_the_least_loaded_has_the_fewest_open_subjects(self) -> None:
        workflow(route("least_loaded"), triggers=ABOUT_ORDERS)
        for number, (name, status) in enumerate([("ana", ""), ("ana", "new"), ("ben", "waiting"), ("carl", "Done")]):
            Subject.objects.create(type="ticket", key=str(number), assignee=name, status=status)
        assert one_by_one(*({"id": n} for n in range(4))) == ["carl", "ben", "carl", "ana"]

    def test_the_subject_itself_is_no_load(self) -> None:
        workflow(route("least_loaded", among=["ana", "ben"]), triggers=ABOUT_ORDERS)
        Subject.objects.create(type="order", key="7", assignee="ana")
        assert assigned({"id": 7}) == ["ana"]


@pytest.mark.django_db(transaction=True)
class TestFailures:
    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"group": "nobody"}, "There is nobody to assign to. The group nobody has no active members."),
            ({"among": "{{ event.team }}"}, "There is nobody to assign to. No pool is named."),
        ],
    )
    def test_an_empty_pool_is_a_permanent_error(self, config: dict[str, Any], message: str) -> None:
        workflow(route(**config), triggers=ABOUT_ORDERS)
        said({"id": 7, "team": []})
        error = DeadLetter.objects.get().error
        assert error["type"] in ("nobody", "invalid_config")
        assert error["type"] == "invalid_config" or error["message"] == message
        assert not Subject.objects.exists()
        assert not RouteCounter.objects.exists()

    def test_names_must_be_texts(self) -> None:
        workflow(route(among="{{ event.team }}"), triggers=ABOUT_ORDERS)
        said({"id": 7, "team": [5]})
        assert DeadLetter.objects.get().error["type"] == "invalid_config"


@pytest.mark.django_db(transaction=True)
class TestReplays:
    def test_the_log_says_who_and_why(self) -> None:
        workflow(route(), triggers=ABOUT_ORDERS)
        said({"id": 7})
        assert LogEntry.objects.filter(message="Assigned to ana: round robin among 3, not chosen before.").exists()

    def test_a_replay_takes_over_what_was_assigned_unless_it_shall_be_done_again(self) -> None:
        from runs import replay

        workflow(route(), action("after", needs=["route"]), triggers=ABOUT_ORDERS)
        (first,) = said({"id": 7})
        again = [replay.replay(Run.objects.get(pk=first), by=None, again=more) for more in (False, True, False)]
        carry_all()
        outputs = dict(Step.objects.filter(action="route").values_list("run", "output"))
        assert [outputs[run.pk]["assignee"] for run in again] == ["ana", "ben", "ana"]

    def test_a_replay_with_another_input_is_assigned_anew(self) -> None:
        from runs import replay

        workflow(route(among="{{ event.team }}"), triggers=ABOUT_ORDERS)
        (first,) = said({"id": 7, "team": ["ana"]})
        run = replay.replay(Run.objects.get(pk=first), by=None, payload={"id": 7, "team": ["ben"]})
        carry_all()
        assert Step.objects.get(run=run).output == {"assignee": "ben"}


@pytest.mark.django_db
class TestSimulated:
    def test_a_simulation_says_who_is_next_and_moves_nothing(self) -> None:
        made = workflow(route(), triggers=ABOUT_ORDERS, live=False)
        RouteCounter.objects.create(workflow=made, step="route", state={"turn": 1, "last": {"ana": 1}})
        for _ in range(2):
            answer = run_test(made, by=None, payload={"id": 7})
            assert answer["run"]["status"] == "succeeded"
            assert Step.objects.filter(run=answer["run"]["id"]).get().output == {"assignee": "ben"}
            assert "Next is ben: round robin among 3, not chosen before." in [one["message"] for one in answer["logs"]]
            (candidate,) = answer["candidates"]
            assert (candidate["risk"], candidate["decision"]) == ("reversible", "run")
            assert answer["effects"]["rows_written"] == 0
        assert RouteCounter.objects.get().state["turn"] == 1
        assert not Subject.objects.exists()

    def test_an_unknown_pool_leaves_the_assignee_open(self) -> None:
        call = action("ask", "http.request", config={"method": "POST", "url": "https://example.com/x"})
        made = workflow(call, route(among="{{ steps.ask.output.json.team }}") | {"needs": ["ask"]}, live=False)
        answer = run_test(made, by=None, payload={}, trigger="by_hand")
        assert [one["action"] for one in answer["candidates"]] == ["ask", "route"]

    def test_nobody_to_assign_to_shows_in_a_test(self) -> None:
        made = workflow(route(group="nobody"), live=False)
        answer = run_test(made, by=None, payload={}, trigger="by_hand")
        assert answer["run"]["status"] == "failed"


def findings(**config: Any) -> list[tuple[str, str, str]]:
    made = document(actions=[action("route", "assign.route", config=config)])
    found = check(made, actions=dict(kinds.actions), triggers=dict(kinds.triggers))
    return [(one.path.removeprefix("actions[0].config."), one.severity, one.message) for one in found]


class TestSaving:
    @pytest.mark.parametrize(
        "config",
        [
            {"among": ["ana"]},
            {"group": "support"},
            {"among": "{{ event.team }}"},
            {"among": ["ana", "ben"], "weights": {"ana": 2}, "method": "weighted"},
            {"among": ["ana"], "rules": [{"when": {"always": True}, "then": {"group": "x"}}]},
        ],
    )
    def test_what_is_complete_is_fine(self, config: dict[str, Any]) -> None:
        assert findings(**{"method": "round_robin"} | config) == []

    def test_what_is_missing_is_a_finding(self) -> None:
        assert findings(among=["ana"]) == [("method", "incomplete", "The setting “method” is missing.")]
        assert findings(method="first") == [("among", "incomplete", "It is not said among whom.")]
        assert findings(method="weighted", among=["ana"]) == [("weights", "incomplete", "There are no weights.")]

    def test_what_is_wrong_is_refused(self) -> None:
        wrong = {
            "group": {"among": ["ana"], "group": "x"},
            "method": {"among": ["ana"], "method": "fair"},
            "weights.bob": {"among": ["ana", "ben"], "weights": {"bob": 2}},
            "weights": {"among": ["ana"], "weights": {"ana": 0}},
            "weights.ana": {"among": ["ana"], "weights": {"ana": -1}},
            "rules[0].then.group": {"rules": [{"when": {"always": True}, "then": {"among": ["a"], "group": "x"}}]},
        }
        for path, config in wrong.items():
            assert (path, "wrong") in [one[:2] for one in findings(**{"method": "round_robin"} | config)], path

    def test_rules_that_leave_somebody_out_are_remarked_upon_where_nothing_else_counts(self) -> None:
        rules = [{"when": rule("event.total", "gt", 100), "then": {"among": ["ana"]}}]
        assert [one[:2] for one in findings(method="first", rules=rules)] == [("rules", "warning")]
        assert findings(method="first", rules=rules, group="x") == []

    def test_it_is_exactly_once_and_reversible(self) -> None:
        kind = actions["assign.route"]
        assert (kind.safety({}), kind.risk({}), kind.pure) == ("exactly_once", "reversible", False)


@pytest.mark.django_db
def test_a_workflow_takes_its_turns_with_it_when_it_is_deleted() -> None:
    made = workflow(route(), live=False)
    RouteCounter.objects.create(workflow=made, step="route")
    Workflow.objects.filter(pk=made.pk).delete()
    assert not RouteCounter.objects.exists()


def test_a_call_knows_what_it_is_about() -> None:
    assert Call(1, "route", -1, 1, {}, "key", None).subject == ("", "")  # type: ignore[arg-type]
