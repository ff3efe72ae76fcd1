"""The times of pending approvals: the notice when one is asked for, reminders, expiry, escalation.

Each pending approval has an agenda row of its own. E-mails are sent beside all transactions, by a thread that may
fail: they are notices, and the page they lead to shows, it never decides.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core import mail
from django.db import transaction

from automations import html
from runs import agenda, approvers, bell, database
from runs.executor.asked import after
from runs.models import Approval, Approver
from runs.rerun import write_log
from runs.states import ApprovalState
from runs.words import subject

log = logging.getLogger("automation.approvals")
#: Seconds the mail server may take.
MAIL_TIMEOUT = 20
EXPIRED = "its approval expired: nobody decided in time"


def look(approval_id: int, now: datetime) -> datetime | None:
    """Do what is due for an approval. Returns when to look again, None once nothing is left to do."""
    now = max(now, database.now())
    approval = Approval.objects.filter(pk=approval_id, state=ApprovalState.PENDING).first()
    if approval is None:
        return None
    if approval.expires_at and approval.expires_at <= now and not _escalates(approval):
        _expire(approval, now)
        return None
    with transaction.atomic():
        approval = Approval.objects.select_for_update().get(pk=approval_id)
        if approval.state != ApprovalState.PENDING:
            return None
        if approval.expires_at and approval.expires_at <= now and _escalates(approval):
            _escalate(approval, now)
        elif approval.notice_at and approval.notice_at <= now:
            first = approval.notice_at == approval.requested_at
            notify(approval, approvers.asked_people(approval), "Approval needed" if first else "Still needs approval")
            _next_notice(approval, now)
    times = [moment for moment in (approval.expires_at, approval.notice_at) if moment]
    return min(times, default=None)


def _escalates(approval: Approval) -> bool:
    return approval.policy["on_expiry"] == "escalate" and not approval.escalated


@transaction.atomic
def _expire(approval: Approval, now: datetime) -> None:
    agenda.wake(agenda.RUN, [approval.run_id], now)  # locked before the approval, as in every decision
    still = Approval.objects.filter(pk=approval.pk, state=ApprovalState.PENDING, expires_at__lte=now)
    if still.update(state=ApprovalState.EXPIRED, decided_at=now, reason=EXPIRED):
        write_log(approval.run, now, "Its approval expired: nobody decided in time.", step=approval.step)
        bell.ring_after_commit()


def _escalate(approval: Approval, now: datetime) -> None:
    """Those it escalates to are asked beside the others; expiry starts anew, once."""
    names = [name for name in approval.policy["escalate_to"] if name not in approval.approver_names]
    Approver.objects.bulk_create(Approver(approval=approval, name=name) for name in names)
    approval.escalated, approval.expires_at = True, after(now, approval.policy["expires"])
    approval.save(update_fields=["escalated", "expires_at"])
    told = ", ".join(approval.policy["escalate_to"]) or "nobody"
    write_log(approval.run, now, f"Nobody decided in time: escalated to {told}.", step=approval.step)
    notify(approval, approvers.asked_people(approval), "Approval escalated")
    _next_notice(approval, now)


def _next_notice(approval: Approval, now: datetime) -> None:
    approval.notice_at = after(now, approval.policy["remind"])
    approval.save(update_fields=["notice_at"])


# E-mail -------------------------------------------------------------------------------------------------------------


def notify(approval: Approval, people: Iterable[Any], title: str, said: str = "") -> None:
    """Tell these people by e-mail once this transaction is committed; the payload stays where it is."""
    to = [user.email for user in people if user.email]
    if not to:
        return
    about = f" about {subject(approval.run)}" if subject(approval.run) else ""
    lines = [
        *([said, ""] if said else []),
        f"Run {approval.run_id} of {approval.workflow.name}{about} waits before it performs the step {approval.step}.",
        *([f"It waits until {approval.expires_at:%Y-%m-%d %H:%M} UTC."] if approval.expires_at else []),
        "",
        "Look at exactly what will happen, then decide:",
        f"{settings.PUBLIC_URL}{html.page_address(approval)}",
        "",
        "Opening this page decides nothing.",
    ]
    heading = f"{title}: {approval.workflow.name} · {approval.step}".replace("\n", " ")
    transaction.on_commit(lambda: _send(heading, "\n".join(lines), to))


def _send(heading: str, text: str, to: list[str]) -> None:
    """Beside everything else: a mail server that hangs holds up neither runs nor requests."""

    def send() -> None:
        try:
            with mail.get_connection(timeout=MAIL_TIMEOUT) as server:
                for address in to:
                    mail.EmailMessage(heading, text, to=[address], connection=server).send()
        except Exception:
            log.exception("a notice about an approval could not be sent")

    threading.Thread(target=send, daemon=True, name="approval-mail").start()
