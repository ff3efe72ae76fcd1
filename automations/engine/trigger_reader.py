"""Reads the triggers of a definition document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automations.engine.action_reader import add_relative
from automations.engine.cel import Program
from automations.engine.findings import Fields, Findings
from automations.engine.named_conditions import Conditions
from automations.engine.operators import shown
from automations.engine.parts import KindInfo, SubjectPlan, ThrottlePlan, TriggerPlan
from automations.engine.paths import Path, suggestion
from automations.engine.references import References
from automations.engine.schema import SchemaError, check_config, validator
from automations.engine.scope import BEFORE_A_RUN

TRIGGER_KEYS = ("key", "kind", "config", "filter", "dedupe", "subject", "contract", "debounce", "throttle")


class TriggerReader:
    """Reads one trigger at a time; what it finds wrong goes to the findings."""

    def __init__(
        self, findings: Findings, kinds: Mapping[str, KindInfo], conditions: Conditions, references: References
    ) -> None:
        self.findings = findings
        self.kinds = kinds
        self.conditions = conditions
        self.references = references

    def read(self, key: str, data: Any, path: Path, position: int) -> TriggerPlan:
        """Return the plan of one trigger; what is wrong has its default there."""
        fields = Fields(self.findings, data, path, TRIGGER_KEYS)
        chosen = self.conditions.use_as_filter(fields.get("filter"), fields.at("filter"))
        if chosen is not None:
            self.references.before_a_run(fields.at("filter"), chosen.references, BEFORE_A_RUN)
        return TriggerPlan(
            key=key,
            kind=fields.text("kind"),
            config=self._config(fields),
            filter=chosen,
            dedupe=self.expression(fields, "dedupe"),
            subject=self._subject(fields),
            contract=self._contract(fields),
            debounce=fields.duration("debounce"),
            throttle=_throttle(fields),
            position=position,
        )

    def expression(self, fields: Fields, name: str) -> Program | None:
        """Return an expression over the event, before there is a run."""
        program = fields.expression(name, BEFORE_A_RUN)
        if program is not None:
            self.references.before_a_run(fields.at(name), program.references, BEFORE_A_RUN)
        return program

    def _config(self, fields: Fields) -> Mapping[str, Any]:
        name, raw, path = fields.get("kind"), fields.mapping("config"), fields.at("config")
        kind = self.kinds.get(name) if isinstance(name, str) else None
        if name is None:
            fields.wrong("kind", "The trigger has no kind.", suggestion("", self.kinds))
        elif kind is None:
            fields.wrong("kind", f"{shown(name)} is not a kind of trigger.", suggestion(str(name), self.kinds))
        else:
            if check_config(raw, kind.schema, path, self.findings, templates=False):
                add_relative(self.findings, path, kind.check(raw))
            if getattr(kind, "dedupe_required", False) and fields.get("dedupe") is None:
                fields.incomplete("dedupe", f"A trigger of kind {name} needs a dedupe key.", "Write dedupe: event.id.")
        return raw

    def _subject(self, fields: Fields) -> SubjectPlan | None:
        subject = fields.child("subject", ("type", "key"))
        if subject is None:
            return None
        type, key = subject.text("type"), self.expression(subject, "key")
        for name in ("type", "key"):
            if subject.get(name) in (None, ""):
                subject.incomplete(name, f"The subject has no {name}.", "Write {type: order, key: event.order.id}.")
        return SubjectPlan(type, key) if type and key else None

    def _contract(self, fields: Fields) -> Any:
        schema = fields.get("contract")
        if schema is None:
            return None
        if not isinstance(schema, (Mapping, bool)):
            fields.wrong("contract", f"{shown(schema)} is not a JSON Schema.", "Write {type: object, required: [id]}.")
            return None
        try:
            return validator(schema)
        except SchemaError as error:
            fields.wrong("contract", f"This is not a JSON Schema: {error}", "Write {type: object, required: [id]}.")
            return None


def _throttle(fields: Fields) -> ThrottlePlan | None:
    throttle = fields.child("throttle", ("count", "per"))
    if throttle is None:
        return None
    count = throttle.whole("count", None, low=1, high=1_000_000_000)
    per = throttle.duration("per")
    for name in ("count", "per"):
        if throttle.get(name) is None:
            throttle.incomplete(name, f"The throttle has no {name}.", "Write {count: 10, per: 1m}.")
    return ThrottlePlan(count, per) if count and per else None
