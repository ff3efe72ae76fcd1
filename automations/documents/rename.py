"""Renaming a step: its key and every place that reads it, in one change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from automations.documents.export import document_of
from automations.documents.save import Saved, save
from automations.engine.action_reader import KEY, KEY_FORM
from automations.engine.cel.errors import ExpressionError
from automations.engine.cel.lexer import Places, Token, tokenize
from automations.engine.paths import read, show
from automations.engine.templates import is_template, split
from automations.history import keep
from automations.models import Workflow
from automations.permissions import require
from automations.refusals import Invalid

EXPRESSIONS = ("expression", "for_each", "until", "sum")  # keys whose text is CEL as a whole
KEY_LISTS = ("candidates", "skipped", "blocked")
LONGEST = 60  # the column's


@transaction.atomic
def rename_step(workflow: Workflow, old: str, new: str, *, by: Any, revision: int | None = None) -> Saved:
    """Give the action `old` the key `new` everywhere in the draft; its history goes on.

    Raises Invalid (paths `from`, `to`), PermissionDenied, Stale.
    """
    require(by, "edit", workflow)
    rows = {row.key: row for row in workflow.actions.all()}
    if old not in rows:
        raise Invalid.at("from", f"There is no step {old}.")
    if not KEY.fullmatch(new) or len(new) > LONGEST:
        raise Invalid.at("to", f"“{new[:80]}” cannot be a key. {KEY_FORM}")
    if new in rows:
        raise Invalid.at("to", f"There is a step {new} already.")
    reason = f"renamed step {old} to {new}"
    document = renamed(document_of(workflow), old, new)
    rows[old].key = new
    keep(rows[old], by=by, reason=reason)
    return save(document, by=by, workflow=workflow, incomplete=True, revision=revision, reason=reason)


def renamed(document: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """The document with the step's key changed in graph, expressions, templates, conditions and scenarios."""
    change = _Renaming(old, new)
    result = dict(document)
    if "sensitive" in document:
        result["sensitive"] = [change.path(text) for text in document["sensitive"]]
    if "conditions" in document:
        result["conditions"] = {name: change.value(tree) for name, tree in document["conditions"].items()}
    for name, part in (("actions", change.action), ("scenarios", change.scenario)):
        if name in document:
            result[name] = [part(item) for item in document[name]]
    return result


class _Renaming:
    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def key(self, key: str) -> str:
        return self.new if key == self.old else key

    def action(self, part: Mapping[str, Any]) -> dict[str, Any]:
        result = {name: self._setting(name, value) for name, value in part.items()}
        result["key"] = self.key(part["key"])
        if "needs" in part:
            result["needs"] = [self.key(key) for key in part["needs"]]
        return result

    def scenario(self, part: Mapping[str, Any]) -> dict[str, Any]:
        result = dict(part)
        if isinstance(part.get("outputs"), Mapping):
            result["outputs"] = self._keys(part["outputs"])
        if isinstance(part.get("expect"), Mapping):
            expect = dict(part["expect"])
            expect.update({name: [self.key(key) for key in expect[name]] for name in KEY_LISTS if name in expect})
            if "outputs" in expect:
                expect["outputs"] = self._keys(expect["outputs"])
            result["expect"] = expect
        return result

    def _keys(self, named: Mapping[str, Any]) -> dict[str, Any]:
        return {self.key(key): value for key, value in named.items()}

    def value(self, value: Any) -> Any:
        """Whatever may hold templates or conditions."""
        if isinstance(value, Mapping):
            return {name: self._setting(name, item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return self.template(value) if is_template(value) else value

    def _setting(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and name in EXPRESSIONS:
            return self.expression(value)
        return self.path(value) if isinstance(value, str) and name == "field" else self.value(value)

    def path(self, text: str) -> str:
        parts = read(text)
        return show(("steps", self.new, *parts[2:])) if parts and parts[:2] == ("steps", self.old) else text

    def template(self, text: str) -> str:
        try:
            parts = split(text)
        except ExpressionError:
            return text
        return "".join(part if isinstance(part, str) else "{{" + self.expression(part[0]) + "}}" for part in parts)

    def expression(self, source: str) -> str:
        """CEL with `steps.old`, `steps.?old` and `steps["old"]` renamed; texts and other fields stay."""
        try:
            tokens = tokenize(source, Places(source))
        except ExpressionError:
            return source
        for at in reversed(range(len(tokens) - 2)):
            if tokens[at].text == "steps" and (at == 0 or tokens[at - 1].text != "."):
                source = self._step(source, tokens[at + 1 : at + 4])
        return source

    def _step(self, source: str, after: list[Token]) -> str:
        optional = len(after) > 2 and after[1].text == "?"
        key = after[2] if optional else after[1]
        if after[0].text == "[":
            names = {f"{quote}{self.old}{quote}": f"{quote}{self.new}{quote}" for quote in "\"'"}
        else:
            names = {self.old: self.new} if after[0].text == "." else {}
        return source[: key.start] + names[key.text] + source[key.end :] if key.text in names else source
