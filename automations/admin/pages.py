"""The pages around one workflow: overview, definition, releases, access; and import, duplicate, rename."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern

from automations import access, documents, html, releases
from automations.admin import story
from automations.admin.base import ProductAdmin, act, verbs_of
from automations.admin.forms import ROLE_MEANING, AccessForm, DuplicateForm, ImportForm, RenameForm
from automations.admin.history import changes_of
from automations.documents import references
from automations.engine.errors import AutomationError, DefinitionError, Problem
from automations.gate import Gate
from automations.models import Mode, Workflow
from automations.permissions import may_create
from automations.plans import problems
from automations.refusals import Invalid

#: The guide's chapters, by which the gate is read.
CHAPTERS = {
    1: "Describe it",
    2: "Say when it acts",
    3: "Prove it with scenarios",
    4: "Give it its rights",
    5: "Guard its risks",
    6: "Watch over it",
}


class WorkflowPages(ProductAdmin):
    """Part of the workflow's admin class; every page asks for the row first, which hides foreign ones."""

    overview_template = "automations/workflow/overview.html"

    def own_urls(self) -> list[URLPattern]:
        one = "<int:object_id>/"
        return [
            self.own("import/", self.import_page, "import"),
            self.own(f"{one}overview/", self.overview, "overview"),
            self.own(f"{one}definition/", self.definition, "definition"),
            self.own(f"{one}export/", self.export, "export"),
            self.own(f"{one}releases/", self.releases_page, "releases"),
            self.own(f"{one}release/", self.release, "release"),
            self.own(f"{one}rollback/", self.rollback, "rollback"),
            self.own(f"{one}mode/", self.mode, "mode"),
            self.own(f"{one}access/", self.access_page, "access"),
            self.own(f"{one}duplicate/", self.duplicate, "duplicate"),
            self.own(f"{one}rename-step/", self.rename, "rename"),
        ]

    def tabs(self, workflow: Workflow, verbs: frozenset[str], current: str) -> list[tuple[str, str, bool]]:
        """(title, address, is this page) of the pages that somebody with these verbs may open."""
        pages = [("overview", "Overview", True), ("change", "Edit", "edit" in verbs), *self.more_tabs(verbs)]
        pages += [("definition", "Definition", True), ("releases", "Releases", True), ("access", "Access", True)]
        pages += [("history", "History", True)]
        return [(title, self.address_of(name, workflow.pk), name == current) for name, title, shown in pages if shown]

    def more_tabs(self, verbs: frozenset[str]) -> list[tuple[str, str, bool]]:
        return []

    def workflow_page(
        self,
        request: HttpRequest,
        workflow: Workflow,
        name: str,
        template: str,
        context: dict[str, Any],
        status: int = 200,
    ) -> HttpResponse:
        """A page under the workflow's tabs."""
        verbs = verbs_of(request.user, workflow)
        frame = {
            "workflow": workflow,
            "tabs": self.tabs(workflow, verbs, name),
            **{f"may_{verb}": verb in verbs for verb in ("edit", "release", "rollback", "delete", "test", "grant")},
            "may_create": may_create(request.user),
            "modes": modes(workflow, verbs),
        }
        return self.page(request, template, None, str(workflow), {**frame, **context}, status)

    # What it is

    def overview(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        document = documents.document_of(workflow)
        gate = releases.gate(workflow, by=request.user)
        context = {
            "triggers": story.triggers(document),
            "steps": story.steps(document),
            "findings": findings(document),
            "chapters": chapters(gate),
            "gate": gate,
            "unreleased": releases.unreleased_changes(workflow),
            "alerts": html.brief(workflow.alerts) if workflow.alerts else "",
            **self.overview_context(request, workflow),
        }
        return self.workflow_page(request, workflow, "overview", self.overview_template, context)

    def overview_context(self, request: HttpRequest, workflow: Workflow) -> dict[str, Any]:
        return {}

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        workflow = self.row(request, object_id)
        context = {"changes": changes_of(workflow, ("triggers", "conditions", "actions", "scenarios"))}
        return self.workflow_page(request, workflow, "history", "automations/workflow/history.html", context)

    def definition(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        text = documents.write_text(documents.document_of(workflow))
        return self.workflow_page(
            request, workflow, "definition", "automations/workflow/definition.html", {"text": text}
        )

    def export(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        response = HttpResponse(documents.write_text(documents.document_of(workflow)), content_type="application/yaml")
        response["Content-Disposition"] = f'attachment; filename="{workflow.slug}.yaml"'
        return response

    # Releases and mode

    def releases_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        gate = releases.gate(workflow, by=request.user)
        context = {
            "gate": gate,
            "chapters": chapters(gate),
            "releases": workflow.releases.select_related("version", "previous", "by").defer(
                "version__document", "previous__document", "evidence"
            )[:50],
        }
        return self.workflow_page(request, workflow, "releases", "automations/workflow/releases.html", context)

    def release(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        return act(
            request,
            lambda: releases.release(workflow, by=request.user, note=request.POST.get("note", "")),
            lambda made: f"Version {made.version.number} is current now, for real.",
            self.address_of("releases", workflow.pk),
        )

    def rollback(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        given = request.POST

        def do() -> Any:
            version, note = given.get("version", ""), given.get("note", "").strip()
            if not note:
                raise Invalid.at("note", "Say why: it stays with the release.")
            if not version.isdecimal():
                raise Invalid.at("version", "Choose a version.")
            return releases.rollback(
                workflow, version=int(version[:9]), by=request.user, note=note, runs=_runs(given.get("runs"))
            )

        back = self.address_of("releases", workflow.pk)
        return act(request, do, lambda made: f"Back on version {made.version.number}.", back)

    def mode(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        given = request.POST
        return act(
            request,
            lambda: releases.set_mode(workflow, given.get("mode", ""), by=request.user, note=given.get("note", "")),
            lambda changed: f"The workflow is in {changed.get_mode_display().lower()} now.",
            self.address_of("overview", workflow.pk),
        )

    # Who may what

    def access_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        form = AccessForm(request.POST if request.POST.get("do") == "add" else None)
        if request.method == "POST":
            if request.POST.get("do") == "remove":
                return self._revoke(request, workflow)
            if form.is_valid():
                entry = form.entry()
                return act(
                    request,
                    lambda: access.give(workflow, entry, by=request.user),
                    f"{entry.get('user') or entry['group']} is {entry['role']} now.",
                    self.address_of("access", workflow.pk),
                )
        context = {
            "grants": [
                {**grant, "meaning": ROLE_MEANING[grant["role"]]}
                for grant in access.access_of(workflow, by=request.user)
            ],
            "form": form,
        }
        return self.workflow_page(request, workflow, "access", "automations/workflow/access.html", context)

    def _revoke(self, request: HttpRequest, workflow: Workflow) -> HttpResponse:
        kind, _, name = request.POST.get("holder", "").partition(":")
        entry = {"user" if kind == "user" else "group": name, "role": request.POST.get("role", "")}
        return act(
            request,
            lambda: access.take(workflow, entry, by=request.user),
            f"{name} is no longer {entry['role']}.",
            self.address_of("access", workflow.pk),
        )

    # Copies and names

    def import_page(self, request: HttpRequest) -> HttpResponse:
        form = ImportForm(request.POST or None, request.FILES or None)
        found: list[Any] = []
        if request.method == "POST" and form.is_valid():
            try:
                data, lines = documents.read_text(form.cleaned_data["source"])
                saved = documents.save(data, by=request.user, incomplete=form.cleaned_data["incomplete"], lines=lines)
            except DefinitionError as error:
                found = list(error.problems)
            except AutomationError as error:
                found = [Problem("", str(error), line=getattr(error, "line", None))]
            else:
                return self._imported(request, saved)
        context = {"form": form, "problems": found, "submit": "Import", "back": self.address_of("changelist")}
        return self.page(request, "automations/workflow/import.html", None, "Import a workflow", context)

    def _imported(self, request: HttpRequest, saved: documents.Saved) -> HttpResponse:
        for left_out in saved.not_applied:
            self.message_user(request, f"{left_out['path']}: {left_out['message']}", "WARNING")
        word = "Created" if saved.created else "Replaced the draft of"
        self.message_user(request, f"{word} {saved.workflow}.", "SUCCESS")
        return HttpResponseRedirect(self.address_of("overview", saved.workflow.pk))

    def duplicate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        form = DuplicateForm(
            request.POST or None, initial={"slug": f"{workflow.slug}-copy", "name": f"{workflow} (copy)"}
        )
        if request.method == "POST" and form.is_valid():
            try:
                saved = documents.duplicate(workflow, by=request.user, **form.cleaned_data)
            except AutomationError as error:
                form.add_error("slug", str(error))
            else:
                return self._imported(request, saved)
        context = {"form": form, "submit": "Duplicate", "lead": "A new draft with the same definition. It is yours."}
        return self.workflow_page(request, workflow, "", "automations/workflow/form.html", context)

    def rename(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        form = RenameForm(request.POST or None, workflow=workflow)
        if request.method == "POST" and form.is_valid():
            old, new = form.cleaned_data["old"], form.cleaned_data["new"]
            try:
                documents.rename_step(workflow, old, new, by=request.user)
            except AutomationError as error:
                form.add_error("new", str(error))
            else:
                self.message_user(request, f"{old} is {new} now, wherever it is read.", "SUCCESS")
                return HttpResponseRedirect(self.address_of("change", workflow.pk))
        lead = "Its key changes in the graph, in expressions, texts, conditions and scenarios alike."
        context = {"form": form, "submit": "Rename", "lead": lead}
        return self.workflow_page(request, workflow, "", "automations/workflow/form.html", context)


def findings(document: dict[str, Any]) -> list[tuple[str, Problem]]:
    """What a draft still lacks, and what is odd about it, each with its place in people's words."""
    found = [*problems(document), *references.problems(document)]
    return [(story.place(document, problem.path), problem) for problem in found]


def modes(workflow: Workflow, verbs: frozenset[str]) -> list[tuple[str, str]]:
    """The modes that somebody with these verbs may take the workflow to."""
    needed = {"hold", "release"} if workflow.mode == Mode.EXECUTE else {"edit", "hold"}
    if not needed & verbs:
        return []
    return [(mode.value, str(mode.label)) for mode in (Mode.DRAFT, Mode.SIMULATE) if mode != workflow.mode]


def chapters(gate: Gate) -> list[tuple[str, list[Any]]]:
    """The gate's items by chapter of the guide."""
    found: dict[int, list[Any]] = {}
    for item in gate.items:
        found.setdefault(item.chapter, []).append(item)
    return [(f"{number} · {CHAPTERS.get(number, '')}".strip(" ·"), items) for number, items in sorted(found.items())]


def _runs(value: Any) -> Any:
    return value if value in ("finish", "cancel") else "finish"
