"""`decision.table {hit: first|unique|collect, rows: [{when, then}], otherwise?}`: which rule applies, and what it says.

The output is `then` of the row that matched, else `otherwise`, else null; with `collect` it is the list of all that
matched, else a list with `otherwise`, else an empty one. What was looked at, and why it matched or did not, stands in
the step's input and log.
"""

from collections.abc import Mapping
from typing import Any

from automations.engine.errors import StepError
from automations.engine.parts import RulesPlace
from automations.engine.rules import HITS, matching
from automations.kinds import ActionKind, Call

ROW = {
    "type": "object",
    "properties": {
        "when": {"type": ["object", "string"], "title": "When", "description": "A condition: a name, or a tree."},
        "then": {"type": "object", "title": "Then", "description": "Name → value or template."},
    },
    "required": ["when", "then"],
    "additionalProperties": False,
}
LOOKED_AT = {
    "type": "object",
    "properties": {
        "row": {"type": "integer"},
        "matched": {"type": "boolean"},
        "reason": {"type": "string"},
        "then": {"type": "object"},
    },
    "required": ["row", "matched", "reason"],
    "additionalProperties": False,
}


class DecisionTable(ActionKind):
    name = "decision.table"
    label = "Decide by a table"
    group = "Data"
    icon = "table_chart"
    pure = True
    rules = RulesPlace("rows", ("otherwise",))
    schema = {
        "type": "object",
        "properties": {
            "hit": {
                "type": "string",
                "enum": list(HITS),
                "default": "first",
                "title": "Hit policy",
                "description": "first: the first row that matches; unique: the only one; collect: all of them.",
            },
            "rows": {"type": "array", "items": ROW, "title": "Rows"},
            "otherwise": {"title": "Otherwise", "description": "What counts where no row matches."},
        },
        "required": ["rows"],
        "additionalProperties": False,
    }
    input_schema = {
        **schema,
        "properties": {**schema["properties"], "rows": {"type": "array", "items": LOOKED_AT}},  # type: ignore[dict-item]
    }

    def compute(self, call: Call) -> Any:
        hit, rows = call.input.get("hit", "first"), call.input["rows"]
        for row in rows:
            said = "matched" if row["matched"] else "did not match"
            call.log("info" if row["matched"] else "debug", f"Row {row['row']} {said}: {row['reason']}.")
        found = matching(rows)
        if hit == "unique" and len(found) > 1:
            raise _ambiguous(found)
        answers = [row["then"] for row in found]
        if not found:
            call.log("info", "No row matched: otherwise." if "otherwise" in call.input else "No row matched.")
            answers = [call.input["otherwise"]] if "otherwise" in call.input else []
        if hit == "collect":
            return answers
        return answers[0] if answers else None

    def sentence(self, config: Mapping[str, Any]) -> str:
        rows = config.get("rows")
        return f"Decide by a table of {len(rows)} rows" if isinstance(rows, list) and rows else self.label


def _ambiguous(found: list[Mapping[str, Any]]) -> StepError:
    numbers = [row["row"] for row in found]
    listed = ", ".join(map(str, numbers[:-1]))
    return StepError(
        "ambiguous",
        f"Rows {listed} and {numbers[-1]} match, but with the hit policy “unique” only one may.",
        retryable=False,
        context={"rows": {str(row["row"]): row["reason"] for row in found[:20]}},
    )
