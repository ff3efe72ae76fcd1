"""Workers: who performs, and who has stopped."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from unfold.decorators import display

from automations import html
from automations.admin.base import InfiniteList, ReadOnlyAdmin
from automations.admin.filters import ChipFilter
from automations.permissions import may_manage
from runs.models import Agenda, Worker


class LifeFilter(ChipFilter):
    title = "life"
    parameter_name = "life"
    LIVES = {"alive": Q(stopped_at=None, buried_at=None), "stopped": ~Q(stopped_at=None), "dead": ~Q(buried_at=None)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("alive", "Alive"), ("stopped", "Stopped"), ("dead", "Found dead")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        life = self.LIVES.get(self.value() or "")
        return queryset.filter(life) if life else queryset


@admin.register(Worker)
class WorkerAdmin(InfiniteList, ReadOnlyAdmin):
    list_display = ("name", "life", "hands", "memory_text", "beat", "started", "ended")
    list_filter = (LifeFilter,)
    page_template = "runs/worker.html"
    empty = ("No worker has started yet", "Start some with `manage.py work`; until then events are kept and wait.")
    empty_icon = "engineering"

    def visible(self, user: Any) -> QuerySet[Worker]:
        return Worker.objects.all() if may_manage(user, "view", Worker) else Worker.objects.none()

    def may_view(self, user: Any, row: Any) -> bool:
        return may_manage(user, "view", Worker)

    @display(description="Worker")
    def name(self, worker: Worker) -> str:
        return f"#{worker.pk} on {worker.host}, process {worker.pid}"

    @display(description="State")
    def life(self, worker: Worker) -> str:
        return life(worker)

    @display(description="In hand")
    def hands(self, worker: Worker) -> int:
        return worker.hands

    @display(description="Memory")
    def memory_text(self, worker: Worker) -> str:
        return filesizeformat(worker.memory) if worker.memory else html.NOTHING

    @display(description="Started")
    def started(self, worker: Worker) -> str:
        return html.moment(worker.started_at)

    @display(description="Ended")
    def ended(self, worker: Worker) -> str:
        return html.moment(worker.stopped_at or worker.buried_at)

    def page_context(self, request: HttpRequest, worker: Worker) -> dict[str, Any]:
        carried = Agenda.objects.filter(owner=worker.pk).order_by("id")[:50]
        return {"worker": worker, "life": life(worker), "carried": carried}


def life(worker: Worker) -> str:
    if worker.buried_at:
        return html.pill("Found dead", "danger")
    return html.pill("Stopped") if worker.stopped_at else html.pill("Alive", "success")
