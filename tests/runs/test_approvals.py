"""Approvals on steps: people decide about exactly what will be performed, and the run goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connection

from automations.permissions import grant
from automations.refusals import Conflict, Invalid
from runs import approvals, approvers, dead_letters, dispatch, lifecycle, reminders, replay
from runs.database import now
from runs.executor.approving import hash_of
from runs.models import Agenda, Approval, Approver, DeadLetter, LogEntry, Run, Step
from tests.builders import action, workflow
from tests.runs.drains import carry_all

pytestmark = pytest.mark.django_db(transaction=True)

Person = Callable[..., User]


def refund(**fields: Any) -> dict[str, Any]:
    """A step with an effect, about which ben decides."""
    config = {"message": "refund {{ event.order.id }}: {{ event.order.total }}"}
    return action("refund", "log.write", **{"config": config, "approval": {"approvers": ["ben"]}, **fields})


def start(*actions: dict[str, Any], total: float = 250, by: User | None = None, **fields: Any) -> Run:
    """Carry a run as far as it goes without people."""
    made = workflow(*(actions or (refund(),)), **fields)
    run = dispatch.start(made, {"order": {"id": 7, "total": total}}, by=by)
    carry_all()
    run.refresh_from_db()
    return run


def approve(approval: Approval, by: User, **fields: Any) -> Approval:
    return approvals.approve(approval, by=by, input_hash=approval.input_hash, **fields)


def steps(run: Run) -> dict[str, str]:
    return dict(Step.objects.filter(run=run).values_list("action", "status"))


def carried(run: Run) -> Run:
    carry_all()
    run.refresh_from_db()
    return run


def test_a_step_with_an_approval_waits_and_says_exactly_what_it_would_do(ben: User) -> None:
    run = start()
    assert run.status == "waiting"
    step = Step.objects.get()
    assert (step.status, step.attempt, step.input) == ("awaiting_approval", 0, None)
    assert step.reason == "waits for an approval by ben"
    approval = Approval.objects.get()
    assert (approval.state, approval.approver_names, approval.quorum) == ("pending", ["ben"], 1)
    assert approval.input["message"] == "refund 7: 250"
    assert approval.input_hash == hash_of(approval.input)
    assert Agenda.objects.filter(kind="run", owner=None, rank=None, wake_at=None).exists(), "it sleeps"


def test_an_approved_step_is_performed_with_exactly_the_approved_input(ben: User) -> None:
    run = start()
    approval = approve(Approval.objects.get(), ben, comment="fine")
    assert (approval.state, approval.reason) == ("approved", "approved by ben")
    assert approval.decisions[0] | {"at": ""} == {"by": "ben", "decision": "approved", "comment": "fine", "at": ""}
    assert carried(run).status == "succeeded"
    step = Step.objects.get()
    assert (step.status, step.attempt, step.input) == ("succeeded", 1, approval.input)
    assert LogEntry.objects.filter(message="refund 7: 250").count() == 1


def test_a_rejected_step_is_skipped_with_the_reason_and_the_run_goes_on(ben: User) -> None:
    run = start(refund(), action("after", needs=["refund"]), action("beside"))
    approvals.reject(Approval.objects.get(), by=ben, comment="too much")
    assert carried(run).status == "succeeded"
    assert steps(run) == {"refund": "skipped", "after": "skipped", "beside": "succeeded"}
    assert Step.objects.get(action="refund").reason == "rejected by ben: too much"
    assert not DeadLetter.objects.exists(), "a decision, not a failure"


def test_what_comes_after_a_rejected_step_may_run_all_the_same(ben: User) -> None:
    run = start(refund(), action("after", needs=["refund"], after_skip="run"))
    approvals.reject(Approval.objects.get(), by=ben)
    carried(run)
    assert steps(run) == {"refund": "skipped", "after": "succeeded"}


@pytest.mark.parametrize(("total", "status"), [(250, "waiting"), (20, "succeeded")])
def test_the_condition_of_an_approval_decides_whether_it_is_asked_for(ben: User, total: int, status: str) -> None:
    when = {"field": "event.order.total", "operator": "gt", "value": 100}
    assert start(refund(approval={"approvers": ["ben"], "when": when}), total=total).status == status


def test_an_unknown_condition_asks_for_the_approval(ben: User) -> None:
    when = {"field": "event.order.currency", "operator": "eq", "value": "EUR"}
    assert start(refund(approval={"approvers": ["ben"], "when": when})).status == "waiting"


def test_a_pure_step_may_need_an_approval_too(ben: User) -> None:
    run = start(action("sum", approval={"approvers": ["ben"]}))
    assert run.status == "waiting"
    approve(Approval.objects.get(), ben)
    assert carried(run).status == "succeeded"


def test_an_effect_that_cannot_be_repeated_happens_once_and_only_after_the_approval(ben: User, tmp_path: Path) -> None:
    file = tmp_path / "paid"
    run = start(action("pay", "specimen.unsafe", config={"file": str(file)}, approval={"approvers": ["ben"]}))
    assert run.status == "waiting"
    assert not file.exists()
    approval = approve(Approval.objects.get(), ben)
    assert carried(run).status == "succeeded"
    assert len(file.read_text().splitlines()) == 1
    assert Step.objects.get().input == approval.input


def test_an_approved_step_whose_worker_died_is_performed_without_asking_again(ben: User) -> None:
    run = start()
    approve(Approval.objects.get(), ben)
    # As after a worker that died while it performed the step: recorded as running, with what it was about to do.
    Step.objects.update(status="running", input=Approval.objects.get().input)
    assert carried(run).status == "succeeded"
    assert Approval.objects.count() == 1


def test_a_step_whose_input_cannot_be_rendered_fails_and_asks_nobody(ben: User) -> None:
    run = start(refund(config={"message": "{{ event.order.missing }}"}))
    assert run.status == "failed"
    assert not Approval.objects.exists()
    assert DeadLetter.objects.get().error["type"] == "undecidable"


# Bound to what was seen ---------------------------------------------------------------------------------------------


def first_then_refund() -> tuple[dict[str, Any], dict[str, Any]]:
    first = action("first", config={"values": {"sum": "{{ event.order.total }}"}})
    config = {"message": "refund {{ steps.first.output.sum }}"}
    return first, refund(needs=["first"], config=config)


def test_approving_a_changed_request_is_refused_and_says_what_changed(ben: User) -> None:
    run = start(*first_then_refund())
    approval = Approval.objects.get()
    Step.objects.filter(action="first").update(output={"sum": 9000})
    with pytest.raises(Conflict, match="changed") as refused:
        approve(approval, ben)
    assert refused.value.errors == [{"path": "input.message", "message": "was 'refund 250', is now 'refund 9000'."}]
    carried(run)
    old, new = Approval.objects.order_by("pk")
    assert (old.state, new.state) == ("void", "pending"), "the run asks anew"
    assert new.input["message"] == "refund 9000"
    with pytest.raises(Conflict, match="no longer pending") as refused:
        approve(old, ben)
    assert refused.value.errors[0]["path"] == "input.message"
    with pytest.raises(Conflict, match="not what you have seen") as refused:
        approvals.approve(new, by=ben, input_hash=old.input_hash)
    assert refused.value.errors[0]["message"] == "was 'refund 250', is now 'refund 9000'."
    approve(new, ben)
    assert carried(run).status == "succeeded"
    assert LogEntry.objects.filter(message="refund 9000").exists()
    assert not LogEntry.objects.filter(message="refund 250").exists()


def test_what_changed_after_the_approval_voids_it_and_is_asked_for_anew(ben: User) -> None:
    run = start(*first_then_refund())
    approve(Approval.objects.get(), ben)
    Step.objects.filter(action="first").update(output={"sum": 9000})
    assert carried(run).status == "waiting"
    assert list(Approval.objects.order_by("pk").values_list("state", flat=True)) == ["void", "pending"]
    assert not LogEntry.objects.filter(step="refund", message__startswith="refund").exists()


def test_the_woken_owner_looks_at_the_condition_again(ben: User) -> None:
    first, then = first_then_refund()
    then["when"] = {"field": "steps.first.output.sum", "operator": "gt", "value": 100}
    run = start(first, {**then, "config": {"message": "refund"}})
    approve(Approval.objects.get(), ben)
    Step.objects.filter(action="first").update(output={"sum": 1})
    assert carried(run).status == "succeeded"
    assert steps(run)["refund"] == "skipped"


def test_an_approval_without_the_hash_that_was_seen_is_refused(ben: User) -> None:
    start()
    with pytest.raises(Invalid):
        approvals.approve(Approval.objects.get(), by=ben, input_hash="")
    with pytest.raises(Conflict):
        approvals.reject(Approval.objects.get(), by=ben, input_hash="0" * 64)
    assert Approval.objects.get().state == "pending"


# Who ----------------------------------------------------------------------------------------------------------------


def test_whoever_started_the_run_cannot_approve_not_even_a_superuser(ana: User, root: User) -> None:
    start(refund(approval={"approvers": ["ana", "root"]}), by=ana)
    with pytest.raises(PermissionDenied, match="started"):
        approve(Approval.objects.get(), ana)
    Run.objects.update(started_by=root)
    with pytest.raises(PermissionDenied, match="started"):
        approve(Approval.objects.get(), root)
    assert Approval.objects.get().state == "pending"


def test_being_named_through_a_group_is_the_right_to_decide(ben: User, carl: User) -> None:
    ben.groups.add(Group.objects.create(name="finance"))
    start(refund(approval={"approvers": ["finance"]}))
    with pytest.raises(PermissionDenied):
        approve(Approval.objects.get(), carl)
    assert approve(Approval.objects.get(), ben).state == "approved"


@pytest.mark.parametrize(
    ("role", "may"),
    [("viewer", False), ("builder", False), ("operator", False), ("releaser", False), ("approver", True)],
)
def test_where_nobody_is_named_the_verb_approve_decides(carl: User, role: str, may: bool) -> None:
    run = start()
    Approver.objects.all().delete()
    grant(run.workflow, carl, role)
    approval = Approval.objects.get()
    assert (approvers.why_not(carl, approval) == "") is may


@pytest.mark.parametrize("role", ["viewer", "builder", "operator", "approver", "releaser", "owner"])
def test_where_somebody_is_named_no_role_decides(carl: User, role: str) -> None:
    run = start()
    grant(run.workflow, carl, role)
    with pytest.raises(PermissionDenied):
        approve(Approval.objects.get(), carl)


def test_the_system_and_inactive_people_decide_nothing(ben: User) -> None:
    start()
    ben.is_active = False
    for by in (None, ben):
        with pytest.raises(PermissionDenied):
            approve(Approval.objects.get(), by)  # type: ignore[arg-type]


def test_a_quorum_of_two_takes_two_people(ben: User, carl: User) -> None:
    run = start(refund(approval={"approvers": ["ben", "carl"], "quorum": 2}))
    assert approve(Approval.objects.get(), ben).state == "pending"
    with pytest.raises(Conflict, match="already"):
        approve(Approval.objects.get(), ben)
    assert carried(run).status == "waiting"
    assert approve(Approval.objects.get(), carl).reason == "approved by ben, carl"
    assert carried(run).status == "succeeded"


def test_two_simultaneous_approvals_reach_a_quorum_of_two(ben: User, carl: User) -> None:
    run = start(refund(approval={"approvers": ["ben", "carl"], "quorum": 2}))
    approval, failures = Approval.objects.get(), []
    gate = threading.Barrier(2)

    def decide(by: User) -> None:
        try:
            gate.wait(10)
            approve(approval, by)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(by,)) for by in (ben, carl)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    approval.refresh_from_db()
    assert approval.state == "approved"
    assert {one["by"] for one in approval.decisions} == {"ben", "carl"}
    assert carried(run).status == "succeeded"
    assert LogEntry.objects.filter(message="refund 7: 250").count() == 1


def test_of_a_yes_and_a_no_at_once_only_one_counts(ben: User, carl: User) -> None:
    run = start(refund(approval={"approvers": ["ben", "carl"]}))
    approve(Approval.objects.get(), ben)
    with pytest.raises(Conflict, match="no longer pending: approved by ben"):
        approvals.reject(Approval.objects.get(), by=carl)
    assert carried(run).status == "succeeded"


def test_a_decision_can_be_delegated_once(ben: User, carl: User, person: Person) -> None:
    run = start()
    approval = approvals.delegate(Approval.objects.get(), by=ben, to="carl", comment="on holiday")
    assert approval.state == "pending"
    with pytest.raises(PermissionDenied, match="delegated"):
        approve(approval, ben)
    with pytest.raises(Invalid):
        approvals.delegate(approval, by=carl, to="ben")
    with pytest.raises(Invalid):
        approvals.delegate(approval, by=carl, to="nobody")
    assert approve(approval, carl).state == "approved"
    assert carried(run).status == "succeeded"


def test_nothing_is_delegated_to_whoever_started_the_run(ana: User, ben: User) -> None:
    start(by=ana)
    with pytest.raises(Invalid):
        approvals.delegate(Approval.objects.get(), by=ben, to="ana")


def test_a_question_decides_nothing_and_is_answered_in_the_same_place(ana: User, ben: User, carl: User) -> None:
    start(by=ana)
    approval = approvals.ask(Approval.objects.get(), by=ben, comment="Which order?")
    approval = approvals.ask(approval, by=ana, comment="Number 7.")
    assert [one["decision"] for one in approval.decisions] == ["asked", "answered"]
    assert approval.state == "pending"
    with pytest.raises(PermissionDenied):
        approvals.ask(approval, by=carl, comment="?")


def test_whoever_asked_withdraws_and_the_step_is_skipped(ana: User, ben: User) -> None:
    run = start(by=ana)
    with pytest.raises(PermissionDenied):
        approvals.withdraw(Approval.objects.get(), by=ben)
    approvals.withdraw(Approval.objects.get(), by=ana, comment="a mistake")
    assert carried(run).status == "succeeded"
    assert Step.objects.get().reason == "its approval was withdrawn by ana: a mistake"


def test_many_are_decided_each_bound_and_checked_by_itself(ben: User) -> None:
    made = workflow(refund())
    for number in range(3):
        dispatch.start(made, {"order": {"id": number, "total": 1}}, by=None)
    carry_all()
    first, second, third = Approval.objects.order_by("pk")
    items = [
        {"id": first.pk, "input_hash": first.input_hash},
        {"id": second.pk, "input_hash": first.input_hash},
        {"id": third.pk, "input_hash": third.input_hash},
        {"id": 10**9, "input_hash": "x"},
    ]
    answers = approvals.decide_many(items, by=ben, decision="approve")
    assert [one["decided"] for one in answers] == [True, False, True, False]
    assert [one["state"] for one in answers] == ["approved", "pending", "approved", None]


# Time ---------------------------------------------------------------------------------------------------------------


def test_one_that_expires_by_itself_skips_the_step(ben: User) -> None:
    run = start(refund(approval={"approvers": ["ben"], "expires": "300ms"}))
    carry_all(asleep=True)
    run.refresh_from_db()
    assert (run.status, Approval.objects.get().state) == ("succeeded", "expired")
    assert Step.objects.get().reason == "its approval expired: nobody decided in time"
    with pytest.raises(Conflict, match="expired"):
        approve(Approval.objects.get(), ben)


def test_an_approval_that_comes_too_late_is_refused_before_anybody_has_noticed(ben: User) -> None:
    start(refund(approval={"approvers": ["ben"], "expires": "1h"}))
    Approval.objects.update(expires_at=now() - timedelta(seconds=1))
    with pytest.raises(Conflict, match="over"):
        approve(Approval.objects.get(), ben)


def test_one_that_escalates_asks_others_too_and_its_time_starts_anew(ben: User, carl: User) -> None:
    asked = {"approvers": ["ben"], "expires": "1h", "on_expiry": "escalate", "escalate_to": ["carl"]}
    run = start(refund(approval=asked))
    approval = Approval.objects.get()
    later = approval.expires_at + timedelta(seconds=1)  # type: ignore[operator]
    with pytest.raises(PermissionDenied):
        approve(approval, carl)
    assert reminders.look(approval.pk, later) == later + timedelta(hours=1)
    approval.refresh_from_db()
    assert (approval.state, approval.escalated, approval.approver_names) == ("pending", True, ["ben", "carl"])
    assert reminders.look(approval.pk, later + timedelta(hours=2)) is None, "it escalates once, then it expires"
    approval.refresh_from_db()
    assert approval.state == "expired"
    assert carried(run).status == "succeeded"


def test_notices_go_to_those_who_decide_and_lead_to_a_page(ana: User, person: Person) -> None:
    person("ben", email="ben@example.com")
    ana.email = "ana@example.com"
    ana.save()
    start(refund(approval={"approvers": ["ben", "ana"], "remind": "1h"}), by=ana)
    approval = Approval.objects.get()
    wait_for(1)
    assert mail.outbox[0].to == ["ben@example.com"], "not to whoever started the run"
    assert f"/admin/automations_runs/approval/{approval.pk}/change/" in mail.outbox[0].body
    assert "250" not in mail.outbox[0].body + mail.outbox[0].subject, "the payload stays where it is"
    assert reminders.look(approval.pk, now() + timedelta(hours=2)) is not None
    wait_for(2)
    assert mail.outbox[1].subject.startswith("Still needs approval")


def wait_for(number: int) -> None:
    for _ in range(500):
        if len(mail.outbox) >= number:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{len(mail.outbox)} of {number} e-mails were sent")


# The rest of the run's life -------------------------------------------------------------------------------------------


def test_a_decision_that_arrives_while_other_steps_are_performed_is_not_lost(ben: User) -> None:
    made = workflow(refund(), action("slow", "specimen.sleep", config={"seconds": 1.5}))
    run = dispatch.start(made, {"order": {"id": 7, "total": 250}}, by=None)
    failures: list[BaseException] = []

    def decide() -> None:
        try:
            for _ in range(500):
                approval = Approval.objects.first()
                if approval:
                    approve(approval, ben)
                    return
                threading.Event().wait(0.02)
            raise AssertionError("nobody was asked")
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=decide)
    thread.start()
    carry_all()
    thread.join(30)
    assert failures == []
    run.refresh_from_db()
    assert run.status == "succeeded"
    refunded, slow = Step.objects.get(action="refund"), Step.objects.get(action="slow")
    assert refunded.finished_at < slow.finished_at, "it did not wait for the slow one"  # type: ignore[operator]


def test_a_cancelled_run_asks_for_nothing_any_more(ana: User, ben: User) -> None:
    run = start()
    lifecycle.cancel(run, by=ana)
    assert carried(run).status == "cancelled"
    assert Approval.objects.get().state == "void"
    with pytest.raises(Conflict):
        approve(Approval.objects.get(), ben)


def test_a_failure_beside_it_voids_what_is_asked_and_a_reopened_run_asks_anew(ana: User, ben: User) -> None:
    run = start(refund(), action("broken", "specimen.fail"))
    assert run.status == "failed"
    assert Approval.objects.get().state == "void"
    dead_letters.replay(DeadLetter.objects.get(), by=ana)
    carried(run)
    assert Approval.objects.count() == 2


def test_a_retry_and_a_reopened_step_keep_the_approval(ana: User, ben: User) -> None:
    approval = {"approvers": ["ben"]}
    run = start(
        action(
            "broken",
            "specimen.fail",
            config={"retryable": True},
            approval=approval,
            retry={"attempts": 2, "delay": "10ms"},
        )
    )
    approve(Approval.objects.get(), ben)
    carry_all(asleep=False)
    run = finished(run)
    assert Step.objects.get().attempt == 2
    dead_letters.replay(DeadLetter.objects.get(), by=ana)
    run = finished(run)
    assert run.status == "failed"
    assert Approval.objects.count() == 1


def finished(run: Run) -> Run:
    carry_all(asleep=True)
    run.refresh_from_db()
    return run


def test_a_replay_keeps_the_approval_while_the_hash_is_the_same(ana: User, ben: User) -> None:
    run = start()
    approve(Approval.objects.get(), ben)
    carried(run)
    again = carried(replay.replay(run, by=ana))
    assert again.pk != run.pk
    assert again.status == "succeeded"
    assert Approval.objects.count() == 1


def test_a_replay_with_another_input_or_under_a_new_key_asks_anew(ana: User, ben: User) -> None:
    run = start()
    approve(Approval.objects.get(), ben)
    carried(run)
    changed = carried(replay.replay(run, by=ana, payload={"order": {"id": 7, "total": 9}}, again=True))
    assert changed.status == "waiting"
    assert carried(replay.replay(run, by=ana, again=True)).status == "waiting", "it would happen a second time"
    assert Approval.objects.filter(state="pending").count() == 2
