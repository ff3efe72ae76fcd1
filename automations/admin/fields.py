"""Form fields for what a definition holds: structures as YAML (JSON is YAML), rules, lists of names."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import TEXTAREA_CLASSES, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from automations.engine import yaml_core
from automations.engine.errors import AutomationError

#: What a condition tree may begin with; any other text in a rule is a name or an expression.
TREE_KEYS = ("all", "any", "none", "field", "operator", "value", "expression", "condition", "always", "use")


class EditorWidget(UnfoldAdminTextareaWidget):
    """A monospaced text area that grows with its text."""

    def __init__(self, rows: int = 2, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(
            {"rows": rows, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off", **(attrs or {})}
        )
        self.attrs["class"] = " ".join([*TEXTAREA_CLASSES, "au-editor"])


class StructureField(forms.CharField):
    """Any JSON value, written as YAML or JSON; empty text is `empty`."""

    widget = EditorWidget

    def __init__(self, *, rows: int = 2, empty: Any = None, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(strip=False, widget=EditorWidget(rows), **kwargs)
        self.nothing = empty

    def prepare_value(self, value: Any) -> str:
        if value is None or value in ("", [], {}):
            return ""
        # Text that a person has sent, and that could not be read, comes back as it was.
        return value if isinstance(value, Unread) else _text(value)

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            return self.nothing
        try:
            return yaml_core.loads(value)[0]
        except AutomationError as error:
            raise ValidationError(f"{error}{_quotes_hint(value)}", code="unreadable") from None

    def validate(self, value: Any) -> None:
        if self.required and value in (None, "", [], {}):
            raise ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """CharField's validators are about text; the engine checks the value itself."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (data or "").strip() != self.prepare_value(initial).strip()

    def bound_data(self, data: Any, initial: Any) -> Any:
        return Unread(data or "")


class RuleField(StructureField):
    """A filter or a `when`: a condition's name, an expression, or a tree."""

    def prepare_value(self, value: Any) -> str:
        return str(value) if isinstance(value, str) else super().prepare_value(value)

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            return None
        first = value.strip().lstrip("{[-\"' \n").split(":")[0].strip("\"' ")
        if first not in TREE_KEYS or ":" not in value:
            return value.strip()
        return super().to_python(value)


class NamesField(forms.CharField):
    """A list of names, with commas between them."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(widget=UnfoldAdminTextInputWidget(), **kwargs)

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else ", ".join(map(str, value or ()))

    def to_python(self, value: Any) -> Any:
        return [name for part in (value or "").split(",") if (name := part.strip())]

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """The engine checks the names."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(data) != list(initial or ())


class Unread(str):
    """Text as it was sent."""


def _text(value: Any) -> str:
    text = yaml_core.dumps(value).removesuffix("...\n").strip("\n")
    return text


def _quotes_hint(value: str) -> str:
    """The commonest slip: a template that is not in quotes begins an object in YAML."""
    unquoted: Iterable[str] = (line for line in value.splitlines() if ": {{" in line or "- {{" in line)
    return ' Put a text with {{ … }} in quotes, as in "{{ event.id }}".' if any(unquoted) else ""
