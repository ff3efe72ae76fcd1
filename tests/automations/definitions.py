"""Definition documents for tests: one that is complete, and generated ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

ORDERS: dict[str, Any] = {
    "workflow": "order-routing",
    "name": "Route large orders",
    "owner": "ana",
    "run_as": "svc-orders",
    "alerts": {"failure_rate": 0.1},
    "triggers": [
        {
            "key": "paid",
            "kind": "event",
            "config": {"types": ["order.paid"]},
            "filter": 'event.type == "order.paid"',
            "dedupe": "event.id",
            "subject": {"type": "order", "key": "event.order.id"},
            "contract": {"type": "object", "required": ["order"]},
        }
    ],
    "conditions": {"large": {"all": [{"field": "event.order.total", "operator": "gt", "value": 100}]}},
    "actions": [
        {
            "key": "message",
            "kind": "transform",
            "config": {"values": {"text": "Order {{ event.order.id }}", "total": "{{ event.order.total }}"}},
        },
        {
            "key": "announce",
            "kind": "email.send",
            "needs": ["message"],
            "when": "large",
            "config": {"to": "ops@example.com", "subject": "Large order", "text": "{{ steps.message.output.text }}"},
        },
    ],
    "scenarios": [
        {
            "name": "a large order",
            "payload": {"type": "order.paid", "id": "e1", "order": {"id": 7, "total": 250}},
            "expect": {"matched": True, "candidates": ["message", "announce"]},
        },
        {
            "name": "a small order",
            "payload": {"type": "order.paid", "id": "e2", "order": {"id": 8, "total": 20}},
            "expect": {"matched": True, "candidates": ["message"], "skipped": ["announce"]},
        },
    ],
}


def orders(**changes: Any) -> dict[str, Any]:
    """A fresh, complete document; `changes` replace top-level keys, None takes one out."""
    import copy

    document = copy.deepcopy(ORDERS) | changes
    return {key: value for key, value in document.items() if value is not None}


# Generated documents ---------------------------------------------------------------------------------------------

_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00{"), min_size=1, max_size=30)
_number = st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9, allow_nan=False).filter(lambda x: str(x) != "-0.0")
_json = st.recursive(
    st.none() | st.booleans() | _number | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_duration = st.builds("{}{}".format, st.integers(1, 500), st.sampled_from(["ms", "s", "m", "h", "d"]))
_key = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
_condition = st.recursive(
    st.builds(
        lambda name, operator, value: {"field": f"event.{name}", "operator": operator, "value": value},
        _key,
        st.sampled_from(["gt", "lt", "gte", "lte"]),
        st.integers(-999, 999),
    )
    | st.just({"always": True})
    | st.just({"expression": "event.total > 5"}),
    lambda inner: st.builds(
        lambda group, items: {group: items},
        st.sampled_from(["all", "any", "none"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


def _some(draw: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Some of these keys, each with a drawn value."""
    return {name: draw(strategy) for name, strategy in wanted.items() if draw(st.booleans())}


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    """Complete and correct definition documents in their canonical form (nothing empty is written down)."""
    document: dict[str, Any] = {"workflow": draw(st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True))}
    document["mode"] = draw(st.sampled_from(["draft", "simulate"]))
    document |= _some(
        draw,
        {
            "name": _text,
            "description": _text,
            "process": _text,
            "tags": st.lists(_text, min_size=1, max_size=3),
            "priority": st.integers(0, 9),
            "timeout": _duration,
            "concurrency": st.fixed_dictionaries(
                {"limit": st.integers(1, 50)}, optional={"key": st.just("event.id"), "count": st.just("active")}
            ),
            "sla": st.fixed_dictionaries({}, optional={"run": _duration, "subject": _duration}),
            "retention": _duration,
            "sensitive": st.just(["event.customer.email"]),
            "encrypt": st.just("payloads"),
            "runbook": _text,
            "alerts": st.fixed_dictionaries(
                {"failure_rate": st.floats(0.1, 1)}, optional={"notify": st.just(["a@b.c"])}
            ),
        },
    )
    names = draw(st.lists(_key, min_size=0, max_size=3, unique=True))
    if names:
        document["conditions"] = {name: draw(_condition) for name in names}
    document["triggers"] = [_trigger(draw, key) for key in draw(st.lists(_key, min_size=1, max_size=2, unique=True))]
    keys = draw(st.lists(_key, min_size=1, max_size=4, unique=True))
    document["actions"] = [_action(draw, key, keys[:index], names) for index, key in enumerate(keys)]
    titles = draw(st.lists(_text, max_size=2, unique=True))
    if titles:
        document["scenarios"] = [_scenario(draw, title, keys) for title in titles]
    return document


def _trigger(draw: Any, key: str) -> dict[str, Any]:
    config = {"types": draw(st.lists(_text, min_size=1, max_size=2))}
    return {"key": key, "kind": "event", "config": config} | _some(
        draw,
        {
            "filter": st.just("event.a == 1") | _condition,
            "dedupe": st.just("event.id"),
            "subject": st.builds(lambda name: {"type": name, "key": "event.id"}, _text),
            "contract": st.just({"type": "object", "required": ["id"]}) | st.just(True),
            "debounce": _duration,
            "throttle": st.builds(lambda count, per: {"count": count, "per": per}, st.integers(1, 9), _duration),
        },
    )


def _action(draw: Any, key: str, before: list[str], conditions: list[str]) -> dict[str, Any]:
    action = {"key": key, "kind": "transform", "config": {"values": draw(st.dictionaries(_text, _json, max_size=3))}}
    options: dict[str, Any] = {
        "retry": st.fixed_dictionaries({"attempts": st.integers(1, 9)}, optional={"delay": _duration}),
        "timeout": _duration,
        "for_each": st.just("event.items"),
        "parallel": st.integers(1, 20),
        "on_failure": st.sampled_from(["stop", "continue", "compensate"]),
        "on_unknown": st.sampled_from(["fail", "skip"]),
        "after_skip": st.just("run"),
        "owner": _text,
        "replaces": st.builds(lambda step: {"step": step, "minutes": 4}, _text),
        "if_it_fails": _text,
        "risk": st.sampled_from(["none", "read", "money"]),
        "cap": st.builds(lambda count, per: {"count": count, "per": per}, st.integers(1, 9), _duration),
        "when": st.sampled_from(conditions) if conditions else _condition,
    }
    if before:
        options["needs"] = st.lists(st.sampled_from(before), min_size=1, max_size=2, unique=True)
    return action | _some(draw, options)


def _scenario(draw: Any, title: str, keys: list[str]) -> dict[str, Any]:
    scenario = {"name": title, "payload": draw(_json.filter(lambda value: value is not None))}
    return scenario | _some(
        draw,
        {
            "headers": st.dictionaries(_key, _text, max_size=2),
            "as_user": _text,
            "outputs": st.dictionaries(st.sampled_from(keys), st.just({"error": {"status": 500}}), max_size=1),
            "expect": st.fixed_dictionaries({"matched": st.booleans()}, optional={"candidates": st.just(keys[:1])}),
        },
    )
