"""Between the admin's forms and the definition document.

A save builds the document from the forms and hands it to `documents.save`, like every other way in; the problems that
come back are shown at the fields they are about. Settings that the forms do not offer keep what the definition says.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.forms import BaseForm, BaseModelFormSet, Field, ModelForm, Textarea

from automations.documents import document_of
from automations.engine.errors import Problem
from automations.engine.paths import read, show
from automations.models import Action, Condition, Scenario, Trigger, Workflow

#: model → (its list in the document, the field that names a part)
LISTS: dict[Any, tuple[str, str]] = {
    Trigger: ("triggers", "key"),
    Action: ("actions", "key"),
    Scenario: ("scenarios", "name"),
    Condition: ("conditions", "name"),
}
PEOPLE = ("owner", "deputy", "team", "run_as")
NOT_THE_DOCUMENTS = ("slug", "seen", "position", "id", "workflow", "DELETE")


def document_from(form: ModelForm, formsets: Iterable[BaseModelFormSet], workflow: Workflow | None) -> dict[str, Any]:
    """The document that these valid forms say, laid over what `workflow` says now."""
    before = document_of(workflow) if workflow else {}
    document = {**before, "workflow": workflow.slug if workflow else form.cleaned_data["slug"]}
    _lay_over(document, form)
    for formset in formsets:
        name, key = LISTS[formset.model]
        parts = [_part(part, before.get(name), key) for part in kept(formset)]
        if formset.model is Condition:
            document[name] = {part["name"]: part["tree"] for part in parts}
        else:
            document[name] = parts
    return document


def kept(formset: BaseModelFormSet) -> list[Any]:
    """The forms that stand for a part, in the order the definition will have."""
    forms = [
        form for form in formset.forms if form not in formset.deleted_forms and (form.instance.pk or form.has_changed())
    ]
    places = {id(form): index for index, form in enumerate(forms)}
    return sorted(forms, key=lambda form: (_position(form, len(forms)), places[id(form)]))


def _position(form: Any, last: int) -> int:
    value = getattr(form, "cleaned_data", {}).get("position")
    return value if form.instance.pk and value is not None else last + 1_000_000


def _part(form: Any, before: Any, key: str) -> dict[str, Any]:
    name = form.cleaned_data[key]
    known = [part for part in before if part[key] == name] if isinstance(before, list) else []
    part = {key: name, **(known[0] if known else {})}
    _lay_over(part, form)
    return part


def _lay_over(target: dict[str, Any], form: BaseForm) -> None:
    """Put what the form says into the document; an empty field is absent from it."""
    for name, value in form.cleaned_data.items():
        if name in NOT_THE_DOCUMENTS or (name in target and _came_back(form.fields[name], target[name], value)):
            continue
        value = _name_of(value) if name in PEOPLE else value
        if value in (None, "", [], {}) and name != "payload":
            target.pop(name, None)
        else:
            target[name] = value.replace("\r\n", "\n") if isinstance(value, str) else value


def _came_back(field: Field, before: Any, value: Any) -> bool:
    """Whether this is what a browser sends for what the page shows of `before`: line ends and blanks at the ends are
    the form's doing, not a person's."""
    shown = field.prepare_value(before)
    if not isinstance(shown, str):
        return False
    lines = shown.replace("\r\n", "\n").replace("\r", "\n")
    sent = lines.replace("\n", "\r\n" if isinstance(field.widget, Textarea) else "")
    try:
        return json.dumps(field.clean(sent)) == json.dumps(value)
    except (ValidationError, TypeError):
        return False


def _name_of(holder: Any) -> Any:
    if holder is None or isinstance(holder, str):
        return holder
    return holder.get_username() if hasattr(holder, "get_username") else holder.name


# Problems back to their fields ----------------------------------------------------------------------------------------


def show_problems(form: ModelForm, problems: Iterable[Problem]) -> None:
    """Add each problem to the field it is about, or to the nearest thing that is on the page."""
    formsets = {LISTS[formset.model][0]: formset for formset in getattr(form.instance, "parts", ())}
    for problem in problems:
        path = read(problem.path) or ()
        part = _form_at(formsets, path)
        if part is None:
            field = "slug" if path[:1] == ("workflow",) else next(iter(path), None)
            rest = path[1:] if field in form.fields else path
            form.add_error(field if field in form.fields else None, _told(problem, rest))
            continue
        field, rest = _field_at(part, path)
        part.add_error(field, _told(problem, rest))


def _form_at(formsets: Mapping[str, BaseModelFormSet], path: tuple[Any, ...]) -> Any:
    formset = formsets.get(path[0]) if len(path) > 1 else None
    if formset is None:
        return None
    formset.is_valid()  # reads the forms; problems may be added from then on
    parts = kept(formset)
    if isinstance(path[1], int):
        return parts[path[1]] if path[1] < len(parts) else None
    return next((part for part in parts if getattr(part, "cleaned_data", {}).get("name") == path[1]), None)


def _field_at(part: BaseForm, path: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The field of a part's form, and the rest of the path inside of it."""
    if path[0] == "conditions":
        return "tree", path[2:]
    if len(path) > 2 and path[2] in part.fields:
        return str(path[2]), path[3:]
    first = "config" if "config" in part.fields else next(iter(part.fields))
    return first, path[2:]


def _told(problem: Problem, rest: tuple[Any, ...]) -> str:
    where = f"{show(rest)}: " if rest else ""
    return f"{where}{problem.message} {problem.fix}".strip()
