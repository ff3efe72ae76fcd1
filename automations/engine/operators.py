"""The operators of a condition: which values each takes, and what it answers.

An operator that meets a field of a type it cannot judge raises Unfit: the leaf is then *unknown*, never false,
because “false” would hide a wrong field or a changed payload.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import re2

from automations.engine import durations, times
from automations.engine.durations import DurationError

PATTERN_LIMIT = 1_000
"""Characters of a regular expression."""

_QUIET = re2.Options()
_QUIET.log_errors = False


class Unfit(Exception):
    """The operator cannot judge this field; the text completes “event.order.total …”."""


@dataclass(frozen=True, slots=True)
class Operator:
    """`words` complete “event.order.total = 90, needed …”; `takes` tells people what `value` must be."""

    name: str
    words: str
    takes: str
    fits: Callable[[Any], bool] | None
    judge: Callable[[Any, Any, Mapping[str, Any]], bool]

    @property
    def has_value(self) -> bool:
        """Whether the leaf needs a `value`."""
        return self.fits is not None


def type_name(value: Any) -> str:
    """Return what people call the value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime):
        return "a time"
    if isinstance(value, timedelta):
        return "a duration"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, (list, tuple)) else "a value of another kind"


def shown(value: Any) -> str:
    """Return the value as a reason shows it: JSON, cut after 80 characters."""
    if isinstance(value, datetime):
        return times.show(value)
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def equal(left: Any, right: Any) -> bool:
    """Return whether two JSON values are the same; 1 and 1.0 are, 1 and true are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, datetime) or isinstance(right, datetime):
        return _moment_or_none(left) == _moment_or_none(right) is not None
    return bool(left == right)


# What a value may be ---------------------------------------------------------------------------------------------


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def is_scalar(value: Any) -> bool:
    return not isinstance(value, (Mapping, list, tuple))


def is_moment(value: Any) -> bool:
    return _moment_or_none(value) is not None


def is_duration(value: Any) -> bool:
    try:
        return isinstance(value, timedelta) or durations.parse(value) > 0
    except DurationError:
        return False


def is_pattern(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > PATTERN_LIMIT:
        return False
    try:
        pattern(value)
    except re2.error:
        return False
    return True


def pattern(source: str) -> Any:
    """Return the compiled RE2 pattern; recent ones are kept."""
    return re2.compile(source, _QUIET)


def _moment_or_none(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return times.parse(value) if isinstance(value, str) else None


# What a field may be ---------------------------------------------------------------------------------------------


def _need(field: Any, fits: Callable[[Any], bool], wanted: str) -> None:
    if not fits(field):
        raise Unfit(f"is {type_name(field)} ({shown(field)}), needed {wanted}")


def _moment(field: Any) -> datetime:
    moment = _moment_or_none(field)
    if moment is None:
        raise Unfit(f"is {type_name(field)} ({shown(field)}), needed a time like 2026-01-31T08:00:00Z")
    return moment


def _contains(field: Any, value: Any) -> bool:
    if isinstance(field, str):
        if not isinstance(value, str):
            raise Unfit(f"is text ({shown(field)}), and text can only contain text, not {shown(value)}")
        return value in field
    _need(field, is_list, "text or a list")
    return any(equal(item, value) for item in field)


def _is_empty(field: Any) -> bool:
    _need(field, lambda f: f is None or isinstance(f, (str, list, tuple, Mapping)), "text, a list, an object or null")
    return field is None or len(field) == 0


def _compare(judge: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Mapping[str, Any]], bool]:
    def compared(field: Any, value: Any, _variables: Mapping[str, Any]) -> bool:
        _need(field, is_number, "a number")
        return judge(field, value)

    return compared


def _of_text(judge: Callable[[str, Any], bool]) -> Callable[[Any, Any, Mapping[str, Any]], bool]:
    def judged(field: Any, value: Any, _variables: Mapping[str, Any]) -> bool:
        _need(field, is_text, "text")
        return judge(field, value)

    return judged


def _flag(wanted: bool) -> Callable[[Any, Any, Mapping[str, Any]], bool]:
    def judged(field: Any, _value: Any, _variables: Mapping[str, Any]) -> bool:
        _need(field, lambda f: isinstance(f, bool), "true or false")
        return field is wanted

    return judged


def _within_last(field: Any, value: Any, variables: Mapping[str, Any]) -> bool:
    now, moment = _moment_or_none(variables.get("now")), _moment(field)
    if now is None:
        raise Unfit("cannot be compared with the present, because `now` is not known here")
    span = value if isinstance(value, timedelta) else timedelta(seconds=durations.parse(value))
    return timedelta(0) <= now - moment <= span


def _any(_value: Any) -> bool:
    return True


_NUMBER, _TEXT, _LIST = "a number", "text", "a list"
_TIME = "a time like 2026-01-31T08:00:00Z, or a template"

_TABLE = (
    Operator("eq", "=", "any value", _any, lambda f, v, _: equal(f, v)),
    Operator("ne", "other than", "any value", _any, lambda f, v, _: not equal(f, v)),
    Operator("gt", ">", _NUMBER, is_number, _compare(lambda f, v: f > v)),
    Operator("gte", "≥", _NUMBER, is_number, _compare(lambda f, v: f >= v)),
    Operator("lt", "<", _NUMBER, is_number, _compare(lambda f, v: f < v)),
    Operator("lte", "≤", _NUMBER, is_number, _compare(lambda f, v: f <= v)),
    Operator("in", "one of", _LIST, is_list, lambda f, v, _: any(equal(f, item) for item in v)),
    Operator("not_in", "none of", _LIST, is_list, lambda f, v, _: not any(equal(f, item) for item in v)),
    Operator("contains", "that contains", "text, a number, true or false", is_scalar, lambda f, v, _: _contains(f, v)),
    Operator("not_contains", "that does not contain", "text, a number, true or false", is_scalar,
             lambda f, v, _: not _contains(f, v)),
    Operator("starts_with", "that starts with", _TEXT, is_text, _of_text(lambda f, v: f.startswith(v))),
    Operator("ends_with", "that ends with", _TEXT, is_text, _of_text(lambda f, v: f.endswith(v))),
    Operator("matches", "that matches", "a regular expression (RE2) of at most 1,000 characters", is_pattern,
             _of_text(lambda f, v: pattern(v).search(f) is not None)),
    Operator("exists", "to be present", "no value", None, lambda f, v, _: True),
    Operator("missing", "to be absent", "no value", None, lambda f, v, _: False),
    Operator("is_empty", "empty", "no value", None, lambda f, v, _: _is_empty(f)),
    Operator("is_true", "true", "no value", None, _flag(True)),
    Operator("is_false", "false", "no value", None, _flag(False)),
    Operator("before", "before", _TIME, is_moment, lambda f, v, _: _moment(f) < _moment(v)),
    Operator("after", "after", _TIME, is_moment, lambda f, v, _: _moment(f) > _moment(v)),
    Operator("within_last", "within the last", "a duration like 24h", is_duration, _within_last),
    Operator("changed", "changed", "no value", None, lambda f, v, _: False),
    Operator("changed_to", "changed to", "any value", _any, lambda f, v, _: equal(f, v)),
)  # fmt: skip

OPERATORS: dict[str, Operator] = {operator.name: operator for operator in _TABLE}
"""All operators by name, in the order people read them."""

ALIASES: dict[str, str] = {
    **dict.fromkeys(("=", "==", "===", "equals", "equal", "is"), "eq"),
    **dict.fromkeys(("!=", "<>", "not", "not_eq", "neq", "not_equals", "not_equal", "is_not"), "ne"),
    **dict.fromkeys((">", "greater", "greater_than", "more_than", "above", "over"), "gt"),
    **dict.fromkeys((">=", "ge", "greater_or_equal", "greater_than_or_equal", "at_least"), "gte"),
    **dict.fromkeys(("<", "less", "less_than", "below", "under"), "lt"),
    **dict.fromkeys(("<=", "le", "less_or_equal", "less_than_or_equal", "at_most"), "lte"),
    **dict.fromkeys(("one_of", "any_of"), "in"),
    **dict.fromkeys(("none_of", "nin"), "not_in"),
    **dict.fromkeys(("includes", "has", "like"), "contains"),
    **dict.fromkeys(("regex", "regexp", "~", "=~", "match"), "matches"),
    **dict.fromkeys(("present", "is_present", "defined", "is_set"), "exists"),
    **dict.fromkeys(("absent", "not_exists", "undefined", "is_missing", "not_present"), "missing"),
    **dict.fromkeys(("empty", "blank", "is_blank"), "is_empty"),
    **dict.fromkeys(("earlier_than",), "before"),
    **dict.fromkeys(("later_than", "since"), "after"),
}
"""What people call an operator elsewhere."""
