"""The named conditions of a document, and the places that use one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from automations.engine.conditions import Condition, ConditionReader
from automations.engine.findings import Findings
from automations.engine.judging import constant
from automations.engine.operators import shown
from automations.engine.paths import Path, suggestion
from automations.engine.references import References
from automations.engine.scope import BEFORE_A_RUN, IN_A_RUN


class Conditions:
    """All named conditions, compiled; a broken one is noted once, where it stands, and never matches."""

    def __init__(self, findings: Findings, named: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
        self.findings = findings
        trees = {name: self._tree(name, tree, shared) for name, tree in named.items()}
        reader = ConditionReader(trees, IN_A_RUN, plain_text="expression")
        self.compiled: dict[str, Condition] = {}
        for name, tree in trees.items():
            reader.named(name, ("conditions", name))
            self.compiled[name] = reader.compiled.get(name) or Condition(tree, frozenset(), constant(False))
        for path, message, fix in reader.problems:
            findings.wrong(path, message, fix)

    def _tree(self, name: str, tree: Any, shared: Mapping[str, Any]) -> Any:
        """Return the condition's own tree, or the shared one it uses."""
        if not isinstance(tree, Mapping) or "use" not in tree:
            return tree
        path: Path = ("conditions", name)
        for key in tree:
            if key != "use":
                self.findings.wrong((*path, key), f"“{key}” does not belong beside “use”.", "Take it out.")
        target = tree["use"]
        if isinstance(target, str) and target in shared:
            return shared[target]
        fix = suggestion(str(target), shared) or "Write team/name of a shared condition."
        self.findings.wrong((*path, "use"), f"There is no shared condition {shown(target)}.", fix)
        return {"always": False}

    def check(self, references: References) -> None:
        """Check that what the conditions read exists."""
        for name, condition in self.compiled.items():
            references.check(("conditions", name), condition.references, None)

    def use(self, tree: Any, path: Path, names: Collection[str]) -> Condition | None:
        """Compile a condition of an action; None where there is none."""
        return None if tree is None else self._read(tree, path, names, "name")

    def use_as_filter(self, tree: Any, path: Path) -> Condition | None:
        """Compile a trigger's filter: a condition's name, a CEL expression or a tree."""
        return None if tree is None else self._read(tree, path, BEFORE_A_RUN, "expression")

    def _read(self, tree: Any, path: Path, names: Collection[str], plain_text: str) -> Condition | None:
        reader = ConditionReader(self.compiled, names, plain_text=plain_text)
        condition = reader.read(tree, path)
        for place, message, fix in reader.problems:
            self.findings.wrong(place, message, fix)
        return condition
