"""The forms of a workflow and its parts. They only read what a person wrote; the definition's own checks judge it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import Group, User
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from automations import kinds
from automations.admin.fields import EditorWidget, NamesField, RuleField, StructureField
from automations.models import Action, Condition, Scenario, Trigger, Workflow
from automations.permissions import ROLES

JOINS = [("", "all of them"), ("any", "any one of them")]


class PartForm(forms.ModelForm):
    """A part of the definition; the key of one that exists is changed by renaming it, so that nothing dangles."""

    name_field = "key"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.name_field in self.fields:
            self.fields[self.name_field].disabled = True


def _kinds(registry: Any) -> list[Any]:
    """Choices of a registry, grouped as the kinds say."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, kind in registry.items():
        groups.setdefault(getattr(kind, "group", ""), []).append((name, f"{kind.label} ({name})"))
    return [("", "Choose …")] + ([*groups.items()] if any(groups) else groups.get("", []))


class KindField(forms.ChoiceField):
    """A kind by name; one that this installation does not know stays as it is."""

    def __init__(self, registry: Any, **kwargs: Any) -> None:
        super().__init__(
            widget=UnfoldAdminSelectWidget(attrs={"class": "au-kind"}), choices=lambda: _kinds(registry), **kwargs
        )

    def valid_value(self, value: Any) -> bool:
        return True


class TriggerForm(PartForm):
    kind = KindField(kinds.triggers)
    config = StructureField(empty={}, rows=2, label="Settings", help_text="What this kind of trigger wants to know.")
    filter = RuleField(label="Only if", help_text="An expression, a condition's name, or a condition tree.")
    subject = StructureField(label="About", help_text="The business object, as in {type: order, key: event.order.id}.")
    contract = StructureField(rows=3, label="Payload contract", help_text="JSON Schema; what breaks it is refused.")

    class Meta:
        model = Trigger
        fields = ("key", "kind", "config", "filter", "dedupe", "subject", "contract", "position")
        labels = {"dedupe": "Only once per"}
        help_texts = {"dedupe": "An expression, as in event.id; the same value starts one run."}


class ConditionForm(PartForm):
    name_field = "name"
    tree = StructureField(
        rows=4, required=True, label="Rule", help_text="all, any or none of {field, operator, value}."
    )

    class Meta:
        model = Condition
        fields = ("name", "tree", "position")


class ActionForm(PartForm):
    kind = KindField(kinds.actions)
    needs = NamesField(label="After", help_text="Keys of the steps that come before, with commas.")
    when = RuleField(label="Only when", help_text="A condition's name, `not NAME`, or a tree.")
    config = StructureField(
        empty={}, rows=3, label="Settings", help_text="Texts may hold {{ expressions }}, in quotes."
    )
    retry = StructureField(label="Retry", help_text="As in {attempts: 5, delay: 2s}; empty: one call.")
    join = StructureField(label="Needs to succeed", help_text="Empty: all that it comes after; `any`, or how many.")
    replaces = StructureField(
        label="Replaces", help_text="Manual work, as in {step: type it into the CRM, minutes: 4}."
    )

    class Meta:
        model = Action
        fields = (
            *("key", "kind", "needs", "when", "config", "owner", "if_it_fails", "retry", "timeout", "on_failure"),
            *("on_unknown", "join", "after_skip", "risk", "safety", "replaces", "position"),
        )
        labels = {
            "if_it_fails": "What to do if it fails",
            "on_failure": "If it fails",
            "on_unknown": "If undecidable",
            "after_skip": "If what it needs was skipped",
        }
        help_texts = {"timeout": "Of one call, as in 30s."}
        widgets = {"if_it_fails": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = self.fields["on_failure"].choices  # type: ignore[attr-defined]
        kept = [choice for choice in choices if choice[0] != "compensate" or self.instance.on_failure == "compensate"]
        self.fields["on_failure"].choices = kept  # type: ignore[attr-defined]


class ScenarioForm(PartForm):
    name_field = "name"
    payload = StructureField(empty={}, rows=4, label="Payload", help_text="What arrives, as YAML or JSON.")
    headers = StructureField(label="Headers")
    outputs = StructureField(label="Samples and failures", help_text="By step, as in {notify: {error: {status: 500}}}.")
    expect = StructureField(
        empty={}, rows=3, label="Expected", help_text="As in {matched: true, candidates: [notify]}."
    )

    class Meta:
        model = Scenario
        fields = ("name", "trigger", "payload", "headers", "as_user", "outputs", "expect", "position")


class WorkflowForm(forms.ModelForm):
    """`seen` is the revision the page was made from: a change by somebody else in the meantime is not overwritten."""

    tags = NamesField(help_text="With commas between them.")
    concurrency = StructureField(help_text="As in {limit: 20, key: event.order.customer, on_limit: queue}.")
    alerts = StructureField(help_text="As in {failure_rate: 0.1, notify: [ops@example.com]}. One threshold at least.")
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Workflow
        fields = (
            *(
                "name",
                "slug",
                "description",
                "process",
                "tags",
                "owner",
                "deputy",
                "team",
                "run_as",
                "priority",
                "timeout",
            ),
            *("concurrency", "runbook", "alerts"),
        )
        widgets = {name: UnfoldAdminSelect2Widget() for name in ("owner", "deputy", "team", "run_as")} | {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "runbook": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "seen" in self.fields and self.instance.pk:
            self.fields["seen"].initial = self.instance.revision

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        from automations.admin.editing import show_problems

        show_problems(self, self.refused)
        return cleaned

    #: What the last attempt to save this was refused for; set by the admin.
    refused: Iterable[Any] = ()


# The pages around a workflow ----------------------------------------------------------------------------------------

ROLE_MEANING = {
    "viewer": "sees it",
    "builder": "edits and tests it",
    "operator": "runs, cancels, replays, rolls back",
    "approver": "decides its risky steps",
    "releaser": "releases it",
    "owner": "all of it, and gives roles",
}


class ImportForm(forms.Form):
    """A definition as text or as a file."""

    text = forms.CharField(label="Definition", required=False, strip=False, widget=EditorWidget(14))
    file = forms.FileField(label="Or a file", required=False)
    incomplete = forms.BooleanField(
        label="Accept an unfinished definition", required=False, help_text="What is missing becomes a finding."
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file = cleaned.get("file")
        cleaned["source"] = file.read() if file else cleaned.get("text", "")
        if not cleaned["source"]:
            raise forms.ValidationError("Paste a definition or choose a file.")
        return cleaned


class DuplicateForm(forms.Form):
    slug = forms.SlugField(max_length=100, help_text="Lower-case letters, digits and hyphens.")
    name = forms.CharField(max_length=200, required=False)


class RenameForm(forms.Form):
    """Renames a step everywhere it is read."""

    old = forms.ChoiceField(label="Step")
    new = forms.CharField(label="New key", max_length=60, help_text="Small letters, digits and _, as in send_note.")

    def __init__(self, *args: Any, workflow: Workflow, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keys = workflow.actions.values_list("key", flat=True)
        self.fields["old"].choices = [(key, key) for key in keys]  # type: ignore[attr-defined]


class HolderForm(forms.Form):
    """A person or a group."""

    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True).order_by("username"), required=False, label="Person"
    )
    group = forms.ModelChoiceField(Group.objects.order_by("name"), required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("user")) == bool(cleaned.get("group")):
            raise forms.ValidationError("Choose a person or a group.")
        return cleaned


class AccessForm(HolderForm):
    """One more grant: a holder and a role."""

    role = forms.ChoiceField(choices=[(role, f"{role}: {ROLE_MEANING[role]}") for role in ROLES])

    def entry(self) -> dict[str, str]:
        """The grant, as `access.give` takes it."""
        given = self.cleaned_data
        holder = {"user": given["user"].get_username()} if given["user"] else {"group": given["group"].name}
        return {**holder, "role": given["role"]}
