"""Home: what needs me, what happened lately. Every query is bounded, however long the tables are."""

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from automations.admin.filters import last_id_before
from automations.models import Mode, Workflow
from automations.permissions import visible_to
from runs import approvers
from runs.admin import rights
from runs.models import DeadLetter, Run, Worker
from runs.states import DeadLetterState, RunStatus

COUNTED = 5_000  # rows a count looks at, at most
SHOWN = 8


def home(user: Any) -> dict[str, Any]:
    """What the home page shows to `user`."""
    letters = rights.of_visible_workflows(DeadLetter.objects.filter(state=DeadLetterState.OPEN), user)
    day = _last_day(user)
    workflows = visible_to(user)
    waiting = approvers.waiting_for(user)
    return {
        "approvals": waiting.select_related("workflow", "run").defer("input", "run__outputs", "run__error")[:SHOWN],
        "letters": letters.select_related("workflow", "owner").order_by("-id")[:SHOWN],
        "letter_count": _bounded(letters),
        "day": {
            "runs": _shown(sum(day.values())),
            "failed": _shown(day[RunStatus.FAILED] + day[RunStatus.TIMED_OUT]),
            "open": _shown(day[RunStatus.QUEUED] + day[RunStatus.RUNNING] + day[RunStatus.WAITING]),
        },
        "failing": _failing(workflows),
        "drafts": workflows.filter(mode=Mode.SIMULATE).order_by("-updated_at")[:SHOWN],
        "executing": workflows.filter(mode=Mode.EXECUTE).count(),
        "has_workflows": workflows.exists(),
        "runs": rights.of_visible_workflows(Run.objects.select_related("workflow"), user)
        .defer("outputs", "error")
        .order_by("-id")[:SHOWN],
        "workers_alive": Worker.objects.filter(stopped_at=None, buried_at=None).exists(),
    }


def _last_day(user: Any) -> Counter[str]:
    """Executed runs of the last 24 hours by status; simulated ones do not count."""
    since = last_id_before(Run, "created_at", timezone.now() - timedelta(days=1))
    runs = rights.of_visible_workflows(Run.objects.filter(pk__gt=since, mode=Run.Mode.EXECUTE), user)
    return Counter(runs.order_by("-id").values_list("status", flat=True)[:COUNTED])


def _failing(workflows: QuerySet[Workflow]) -> list[Workflow]:
    """Workflows with open dead letters, the fullest first."""
    letters = DeadLetter.objects.filter(state=DeadLetterState.OPEN, workflow__in=workflows.values("pk"))
    counted = Counter(letters.order_by("-id").values_list("workflow", flat=True)[:COUNTED]).most_common(SHOWN)
    found = workflows.in_bulk([pk for pk, _number in counted])
    rows = []
    for pk, number in counted:
        found[pk].open_letters = number  # type: ignore[attr-defined]
        rows.append(found[pk])
    return rows


def _bounded(rows: QuerySet) -> str:
    return _shown(rows.order_by()[: COUNTED + 1].count())


def _shown(number: int) -> str:
    return f"{COUNTED:,}+" if number > COUNTED else f"{number:,}"
