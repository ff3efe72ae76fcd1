"""Finds references that lead nowhere: to steps that do not exist, or that need not have run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from automations.engine.findings import Findings
from automations.engine.paths import Path, show, suggestion

STEP_FIELDS = ("output", "status", "items")
ROOT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "trigger": ("key", "kind", "id", "received_at", "headers", "attributes"),
    "run": ("id", "mode", "started_at"),
    "workflow": ("slug", "name"),
}


class References:
    """Checks the paths that the parts of a definition read, and remembers which step reads which."""

    def __init__(self, findings: Findings, keys: Collection[str], ancestors: Mapping[str, frozenset[str]]) -> None:
        self.findings = findings
        self.keys = keys
        self.ancestors = dict(ancestors)
        self._read: dict[str, set[str]] = defaultdict(set)

    def add_compensation(self, own: str, key: str) -> None:
        """Let a compensation read what its action could read, and the action itself."""
        self.ancestors[own] = self.ancestors.get(key, frozenset()) | {key}

    def read_by(self, key: str) -> frozenset[str]:
        """Return the keys of the steps that this action reads."""
        return frozenset(self._read[key])

    def check(self, place: Path, paths: Iterable[Path], key: str | None) -> None:
        """Check what is read at `place`; `key` is the action it belongs to, None for a shared place."""
        for path in sorted(paths, key=show):
            root = path[0]
            if root == "steps" and len(path) > 1:
                self._step(place, path, key)
            elif len(path) > 1 and root in ROOT_FIELDS and path[1] not in ROOT_FIELDS[str(root)]:
                fix = suggestion(str(path[1]), ROOT_FIELDS[str(root)])
                self.findings.wrong(place, f"“{root}” has no “{path[1]}”.", fix)

    def before_a_run(self, place: Path, paths: Iterable[Path], known: Collection[str]) -> None:
        """Check a place where no run exists yet, like a filter: only `known` names may be read."""
        paths = list(paths)
        for root in sorted({str(path[0]) for path in paths} - set(known)):
            self.findings.wrong(place, f"“{root}” is not known here, because there is no run yet.",
                                f"Use one of: {', '.join(sorted(known))}.")  # fmt: skip
        self.check(place, [path for path in paths if path[0] in known], None)

    def _step(self, place: Path, path: Path, key: str | None) -> None:
        step = str(path[1])
        if step not in self.keys:
            self.findings.wrong(
                place, f"There is no step “{step}”.", suggestion(step, self.keys) or "Add the step first."
            )
            return
        if len(path) > 2 and path[2] not in STEP_FIELDS:
            fix = f"Did you mean “{show((*path[:2], 'output', *path[2:]))}”?"
            self.findings.wrong(place, f"A step has output, status and items, no “{path[2]}”.", fix)
        if key is None:
            return
        self._read[key].add(step)
        if step == key:
            self.findings.wrong(place, "A step cannot read its own output.", "Read the output of a step before it.")
        elif step not in self.ancestors.get(key, frozenset()):
            self.findings.wrong(place, f"“{step}” need not have run before this step.", f"Add {step} to its needs.")
