"""Approvals: the inbox of those who decide, and the page that says exactly what will happen."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.decorators import display

from automations import html
from automations.admin import story
from automations.admin.base import InfiniteList, ReadOnlyAdmin, act
from automations.admin.filters import ChipFilter, SinceFilter, WorkflowFilter
from automations.permissions import may
from runs import approvals, approvers, words
from runs.admin.timeline import definition_of
from runs.models import Approval
from runs.rerun import plan_or_none
from runs.states import ApprovalState

BADGE = 99  # the sidebar counts no further


class StateFilter(ChipFilter):
    """Shows what waits for this person, until something else is asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("all", "All"), *ApprovalState.choices]

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, label in ((None, "For me"), *self.lookup_choices):
            query = changelist.get_query_string({self.parameter_name: value} if value else {}, [self.parameter_name])
            yield {"selected": self.value() == value, "query_string": query, "display": label}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() in ApprovalState:
            return queryset.filter(state=self.value())
        mine = approvers.waiting_for(request.user).values("pk")
        return queryset if self.value() == "all" else queryset.filter(pk__in=mine)


@admin.register(Approval)
class ApprovalAdmin(InfiniteList, ReadOnlyAdmin):
    list_display = ("number", "state_word", "what", "workflow_name", "about", "asked", "expires")
    list_filter = (
        StateFilter,
        WorkflowFilter,
        type("Requested", (SinceFilter,), {"moment_field": "requested_at"}),
    )
    actions = ("approve_selected", "reject_selected")
    page_template = "runs/approval.html"
    empty = ("No approvals", "A step that people decide about appears here before it is performed.")
    empty_icon = "approval"

    def visible(self, user: Any) -> QuerySet[Approval]:
        rows = approvers.visible_to(user).select_related("workflow__owner", "run__started_by")
        return rows.prefetch_related("approvers").defer("input", "run__outputs", "run__error")

    def may_view(self, user: Any, row: Approval | None) -> bool:
        return row is None or approvers.visible_to(user).filter(pk=row.pk).exists()

    def sidebar_badge(self, request: HttpRequest) -> str:
        number = approvers.waiting_for(request.user).order_by()[: BADGE + 1].count()
        return "" if not number else f"{BADGE}+" if number > BADGE else str(number)

    # Columns

    @display(description="Approval")
    def number(self, approval: Approval) -> str:
        return f"#{approval.pk}"

    @display(description="State")
    def state_word(self, approval: Approval) -> str:
        return words.state(approval.state, approval.get_state_display())

    @display(description="Step")
    def what(self, approval: Approval) -> str:
        return approval.step

    @display(description="Workflow")
    def workflow_name(self, approval: Approval) -> str:
        return str(approval.workflow)

    @display(description="About")
    def about(self, approval: Approval) -> str:
        return words.subject(approval.run) or html.NOTHING

    @display(description="Asked")
    def asked(self, approval: Approval) -> str:
        return html.moment(approval.requested_at)

    @display(description="Expires")
    def expires(self, approval: Approval) -> str:
        return html.moment(approval.expires_at)

    # Many at once: each is shown with what it would do, and bound to it

    @admin.action(description="Approve …")
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Approval]) -> HttpResponse:
        return self._many(request, queryset, "approve")

    @admin.action(description="Reject …")
    def reject_selected(self, request: HttpRequest, queryset: QuerySet[Approval]) -> HttpResponse:
        return self._many(request, queryset, "reject")

    def _many(self, request: HttpRequest, queryset: QuerySet[Approval], decision: str) -> HttpResponse:
        sight, pending = approvers.Sight(request.user), queryset.filter(state=ApprovalState.PENDING).defer(None)
        mine = [approval for approval in pending.select_related("workflow", "run") if not sight.why_not(approval)]
        context = {"approvals": mine, "decision": decision, "left_out": queryset.count() - len(mine)}
        return self.page(request, "runs/decide_many.html", None, f"{decision.capitalize()} approvals", context)

    def decide_many(self, request: HttpRequest) -> HttpResponse:
        pairs = (value.partition(":") for value in request.POST.getlist("items"))
        items = [{"id": int(id), "input_hash": digest} for id, _, digest in pairs if id.isascii() and id.isdigit()]

        def do() -> str:
            answers = approvals.decide_many(
                items,
                by=request.user,
                decision=request.POST.get("decision", ""),
                comment=request.POST.get("comment", ""),
            )
            refused = [f"#{one['id']}: {one['message']}" for one in answers if not one["decided"]]
            return " ".join([f"{len(answers) - len(refused)} decided.", *refused])

        return act(request, do, str, self.address_of("changelist"))

    # The page

    def page_context(self, request: HttpRequest, approval: Approval) -> dict[str, Any]:
        run, user, sight = approval.run, request.user, approvers.Sight(request.user)
        plan = plan_or_none(run)
        action = plan.by_key.get(approval.step) if plan else None
        seen = sight.may_see_input(approval)
        pending = approval.state == ApprovalState.PENDING
        return {
            "approval": approval,
            "run": run,
            "sentence": _sentence(approval, seen),
            "risk": action.risk if action and action.risk != "none" else "",
            "may_see_input": seen,
            "pending": pending,
            "why_not": sight.why_not(approval) if pending else "",
            "may_withdraw": pending and (user.pk == run.started_by_id or may(user, "run", approval.workflow)),
            "agreed": len({one["by"] for one in approval.decisions if one["decision"] == "approved"}),
        }

    def own_urls(self) -> list[URLPattern]:
        return [
            self.own("decide/", self.decide_many, "decide_many"),
            self.own("<int:object_id>/decide/", self.decide, "decide"),
        ]

    def decide(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """One button of the page: the hash it carries is that of what was shown."""
        approval = self.row(request, object_id)
        given = request.POST
        verb = given.get("decision", "")
        bound = {"by": request.user, "input_hash": given.get("input_hash", ""), "comment": given.get("comment", "")}
        verbs: dict[str, tuple[Any, str]] = {
            "approve": (approvals.approve, "Approved."),
            "reject": (approvals.reject, "Rejected: the step is skipped."),
            "ask": (approvals.ask, "Asked. It stays pending."),
            "withdraw": (approvals.withdraw, "Withdrawn: the step is skipped."),
            "delegate": (approvals.delegate, f"Delegated to {given.get('to', '')}."),
        }

        def do() -> Any:
            if verb not in verbs:
                raise ValueError("Say what you decide.")
            more = {"to": given.get("to", "")} if verb == "delegate" else {}
            return verbs[verb][0](approval, **bound, **more)

        return act(request, do, lambda _: verbs[verb][1], self.address_of("change", approval.pk))


def _sentence(approval: Approval, seen: bool) -> str:
    """What the step does in one line, with its values for those who may see them."""
    definition = definition_of(approval.run, approval.step)
    if not definition:
        return ""
    config = approval.input if seen else definition.get("config") or {}
    return story.steps({"actions": [{**definition, "needs": [], "config": config}]})[0].sentence
