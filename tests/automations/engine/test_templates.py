"""Templates: types kept, texts made, nothing evaluated twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automations.engine.cel import ExpressionError, MissingValue, Open
from automations.engine.templates import TemplateError, compile_template, has_template, to_json

EVENT = {
    "n": 7, "half": 0.5, "yes": True, "none": None, "name": "Ann", "list": [1, "a"], "map": {"k": [None]},
    "evil": "{{ event.name }}",
}  # fmt: skip
SCOPE = {"event": EVENT, "now": datetime(2026, 1, 31, 8, tzinfo=UTC)}


def rendered(value, scope=SCOPE):
    return compile_template(value).render(scope).value


@pytest.mark.parametrize("name", EVENT)
def test_a_text_that_is_exactly_one_template_keeps_the_type(name):
    result = rendered("{{ event." + name + " }}")
    assert (result, type(result)) == (EVENT[name], type(EVENT[name]))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("n={{ event.n }}", "n=7"), ("{{ event.half }}!", "0.5!"), ("{{event.yes}} {{event.none}}", "true null"),
        ("Hello {{ event.name }}", "Hello Ann"), ("{{ event.list }}.", '[1, "a"].'), (" {{ event.n }}", " 7"),
        ("{{ event.map }}{{ event.n }}", '{"k": [null]}7'), ("at {{ now }}", "at 2026-01-31T08:00:00Z"),
        ("{{ event.n }}{{ event.n }}", "77"),
    ],
)  # fmt: skip
def test_text_around_it_makes_a_text(template, text):
    assert rendered(template) == text


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ('{{ "{{" }} stays', "{{ stays"), ('{{ "}}" }}', "}}"), ('{{ {"a": {"b": 1}} }}', {"a": {"b": 1}}),
        ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}), ('{{ r"\\" + "}}" }}', "\\}}"),
        ('{{ """a"}}""" }}', 'a"}}'), ("{{ 1 // }} a comment\n }}", 1), ("a } } b", "a } } b"), ("{ {x} }", "{ {x} }"),
        ("{{ 'a\\'}}' }}", "a'}}"),
    ],
)  # fmt: skip
def test_braces_and_quotes_inside_an_expression_are_respected(template, value):
    assert rendered(template) == value


def test_what_was_inserted_is_never_evaluated_again():
    assert rendered("{{ event.evil }} {{ event.name }}") == "{{ event.name }} Ann"


@given(st.text())
def test_any_inserted_text_stays_as_it_is(text):
    assert rendered("<{{ event.x }}>", {"event": {"x": text}}) == f"<{text}>"
    assert rendered("{{ event.x }}", {"event": {"x": text}}) == text


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(alphabet="ab }é"), lambda inner: st.lists(inner)
       | st.dictionaries(st.text(max_size=3), inner), max_leaves=10))  # fmt: skip
def test_data_without_templates_is_rendered_unchanged(value):
    assert rendered(value) == value


def test_templates_stand_anywhere_in_a_value_but_not_in_keys():
    value = {"a": ["{{ event.n }}", {"b": "x{{ event.n }}"}], "{{ event.n }}": 1}
    assert rendered(value) == {"a": [7, {"b": "x7"}], "{{ event.n }}": 1}


def test_it_knows_what_it_reads_and_where():
    template = compile_template({"a": "{{ event.n }}", "b": ["{{ steps.x.output.id }}"]})
    assert template.references == {("event", "n"), ("steps", "x", "output", "id")}
    assert dict(template.sites)[("b", 0)] == {("steps", "x", "output", "id")}


class TestMissing:
    def test_a_missing_value_is_named(self):
        with pytest.raises(MissingValue) as caught:
            rendered("Order {{ event.order.id }}")
        assert caught.value.path == "event.order.id"

    def test_absence_can_be_decided(self):
        assert rendered("{{ event.?order.?id.orValue('none') }}") == "none"

    def test_any_other_failure_is_an_expression_error(self):
        with pytest.raises(ExpressionError):
            rendered("{{ event.n / 0 }}")


class TestOpen:
    SCOPE = {"steps": {"first": {"output": Open("steps.first.output")}}, "event": EVENT}

    def test_an_open_value_becomes_a_marker(self):
        result = compile_template({"t": "Id {{ steps.first.output.json.ok }}"}).render(self.SCOPE)
        assert result.value == {"t": "Id ‹steps.first.output.json.ok›"}
        assert result.opens == ("steps.first.output.json.ok",)

    def test_what_is_computed_from_it_is_a_marker_too(self):
        result = compile_template(["{{ steps.first.output.n + 1 }}"]).render(self.SCOPE)
        assert (result.value, result.opens) == (["‹steps.first.output.n›"], ("steps.first.output.n",))

    def test_it_may_stand_inside_a_map(self):
        scope = {"event": {"map": {"a": Open("steps.first.output.a"), "b": 1}}}
        result = compile_template("{{ event.map }}").render(scope)
        assert (result.value, result.opens) == ({"a": "‹steps.first.output.a›", "b": 1}, ("steps.first.output.a",))


class TestBroken:
    @pytest.mark.parametrize(
        ("template", "line", "column"),
        [
            ("{{ event.n", 1, 1),
            ("ab {{ }}", 1, 6),
            ("ab\n  {{ 1 + }}", 2, 10),
            ("{{ 'a }}", 1, 1),
            ("x {{ 1 }} {{", 1, 11),
        ],
    )
    def test_it_says_where(self, template, line, column):
        with pytest.raises(TemplateError) as caught:
            compile_template({"a": [template]})
        assert (caught.value.path, caught.value.line, caught.value.column) == ("a[0]", line, column)

    def test_names_that_are_not_known_are_refused(self):
        with pytest.raises(TemplateError, match="secrets"):
            compile_template("{{ secrets.key }}", names={"event"})


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (datetime(2026, 1, 31, 8, tzinfo=UTC), "2026-01-31T08:00:00Z"), (timedelta(minutes=1, milliseconds=500), "60.5s"),
        (b"\x00\xff", "AP8="), (float("nan"), "NaN"), (float("-inf"), "-Infinity"), ({1: {True: b""}}, {"1": {"true": ""}}),
        ((1, 2), [1, 2]), (timedelta(0), "0s"),
    ],
    ids=str,
)  # fmt: skip
def test_values_beyond_json_become_text(value, data):
    assert to_json(value) == data


def test_templates_are_found_anywhere():
    assert has_template({"a": [{"b": "{{ x }}"}]})
    assert not has_template({"{{ x }}": ["{x}"]})
