"""The queue, to look at only. A schedule of django-q2 may name any function of the process: here none can be made."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.decorators import display

from automations import html
from automations.admin.base import InfiniteList, ReadOnlyAdmin
from automations.permissions import may_manage

for _model in (Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


class QueueAdmin(InfiniteList, ReadOnlyAdmin):
    actions = None
    page_template = "automations/task.html"

    def visible(self, user: Any) -> QuerySet:
        return self.model._default_manager.all() if self.may_view(user, None) else self.model._default_manager.none()

    def may_view(self, user: Any, row: Any) -> bool:
        return may_manage(user, "view", self.model)


@admin.register(Failure)
class FailureAdmin(QueueAdmin):
    list_display = ("name", "func", "cluster", "started_at", "ended_at", "outcome")
    empty = ("No task has failed", "Tasks only wake workers; what a workflow does is recorded in its runs.")
    empty_icon = "task_alt"

    def visible(self, user: Any) -> QuerySet:
        return super().visible(user).filter(success=False)  # the proxy's own manager is passed over

    def page_context(self, request: Any, row: Failure) -> dict[str, Any]:
        return {
            "facts": [("Function", row.func), ("Cluster", row.cluster), ("Attempts", row.attempt_count)],
            "text": row.result,
        }

    @display(description="Started")
    def started_at(self, task: Failure) -> str:
        return html.moment(task.started)

    @display(description="Ended")
    def ended_at(self, task: Failure) -> str:
        return html.moment(task.stopped)

    @display(description="Outcome")
    def outcome(self, task: Failure) -> str:
        return html.brief(str(task.result or ""), 120)


if Conf.ORM:

    @admin.register(OrmQ)
    class WaitingAdmin(QueueAdmin):
        list_display = ("number", "key", "func_name", "state")
        empty = ("The queue is empty", "Workers take tasks at once; runs wait in the agenda, not here.")
        empty_icon = "stacks"

        def page_context(self, request: Any, row: OrmQ) -> dict[str, Any]:
            return {"facts": [("Function", row.func()), ("Cluster", row.key), ("Task", row.task_id())], "text": ""}

        @display(description="Task")
        def number(self, task: OrmQ) -> str:
            return f"#{task.pk}"

        @display(description="Function")
        def func_name(self, task: OrmQ) -> str:
            return str(task.func())

        @display(description="Free again")
        def state(self, task: OrmQ) -> str:
            return html.moment(task.lock)
