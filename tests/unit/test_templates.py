"""Templates: paths, types, places, and nothing else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import templates
from chalicelib.errors import TemplateError

LOOKUP = {
    "user": {"name": "Ada", "tags": ["x", {"y": 2}], "n": 3, "none": None, "on": True, "odd key!": 1, "__class__": "c"},
    "list": [1, 2],
    "text": "{{ user.name }}",
    "a.b": {"b[0]": 1, "c d": [7], "": 2, 'say "}}"': 3},
    "Größe 1": "x",
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("{{ user.name }}", "Ada"),
        ("{{user.name}}", "Ada"),
        ("{{ user.n }}", 3),
        ("{{ user.none }}", None),
        ("{{ user.tags }}", ["x", {"y": 2}]),
        ("{{ user.tags.1.y }}", 2),
        ("{{ list.0 }}", 1),
        ("Hi {{ user.name }}!", "Hi Ada!"),
        ("{{ user.n }}{{ user.on }}", "3true"),
        ("{{ user.tags }}.", '["x",{"y":2}].'),
        ("{{ user.none }} ", "null "),
        (" {{ user.name }}", " Ada"),
        ("{{ text }}", "{{ user.name }}"),  # what a template yields is not a template
        ("x {{ text }}", "x {{ user.name }}"),
        ("{{ user.__class__ }}", "c"),
        ('{{ ["a.b"]["c d"].0 }}', 7),
        ('{{ ["a.b"].["c d"]["0"] }}', 7),
        ('{{ ["user"].name }}', "Ada"),
        ('{{ user["odd key!"] }}', 1),
        ('{{ ["a.b"].b[0] }}', 1),  # brackets without a quote are no syntax, and never were
        ('{{ ["a.b"][""] }}', 2),
        (r'{{ ["a.b"]["say \"\u007d}\""] }}', 3),
        ('{{["Größe 1"]}}', "x"),
        ('{{ ["Gr\\u00f6ße 1"] }}', "x"),
        ("} }} {", "} }} {"),
        ({"{{ user.name }}": ["{{ list }}"]}, {"Ada": [[1, 2]]}),
        ({"{{ user.n }}-{{ user.on }}": 1, "{{ list }}": 2}, {"3-true": 1, "[1,2]": 2}),
        ([1, None, True, 1.5], [1, None, True, 1.5]),
    ],
)
def test_render(template: Any, value: Any) -> None:
    assert templates.render(template, LOOKUP) == value


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{ user.nmae }}", r"`user` has no `nmae` \(it has: name, tags"),
        ("{{ user.tags.7 }}", "`user.tags` is a list of 2: `7` is not an index"),
        ("{{ user.tags.-1 }}", "is not an index"),
        ("{{ list.x }}", "is not an index"),
        ("{{ user.name.first }}", "`user.name` is str"),
        ("{{ user.none.x }}", "`user.none` is null"),
        ("{{ nobody.x }}", "there is no value for `nobody`"),
        ("{{ user.__init__ }}", "has no `__init__`"),
        ({"{{ user.n }}": 1, "3": 2}, "two keys"),
    ],
)
def test_what_is_missing_is_named(template: Any, sentence: str) -> None:
    with pytest.raises(TemplateError, match=sentence):
        templates.render(template, LOOKUP)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{{", "never closes"),
        ("a {{ b", "never closes"),
        ("{{ }}", "empty"),
        ("{{}}", "empty"),
        ("{{ a + b }}", "not a path"),
        ("{{ a|upper }}", "does not begin"),
        ("{{ a..b }}", "not a path"),
        ("{{ .a }}", "not a path"),
        ("{{ a. }}", "not a path"),
        ("{{ a b }}", "not a path"),
        ("{{{ a }}}", "not a path"),
        ("{{ a['b'] }}", "does not begin"),
        ("{{ f() }}", "does not begin"),
        ('{{ ["a" }}', "not a path"),
        ('{{ ["a"]b }}', "not a path"),
        ('{{ .["a"] }}', "not a path"),
        ('{{ ["a"].. }}', "not a path"),
        (r'{{ ["\ud800"] }}', "not a path"),
        (r'{{ ["\x"] }}', "not a path"),
        ('{{ ["a", "b"] }}', "not a path"),
    ],
)
def test_what_is_no_path_is_a_problem(text: str, word: str) -> None:
    found = list(templates.problems({"a": [text]}))
    assert [problem.pointer for problem in found] == ["/a/0"] and word in found[0].detail
    with pytest.raises(TemplateError):
        templates.render(text, LOOKUP)


def test_find_tells_where() -> None:
    value = {"url": "{{ a.b }}/{{ c }}", "{{ d }}": {"x": ["{{ e.0 }}"]}}
    found = {(place, reference.root, reference.path) for place, reference in templates.find(value)}
    assert found == {
        (("url",), "a", ("b",)),
        (("url",), "c", ()),
        (("{{ d }}",), "d", ()),
        (("{{ d }}", "x", 0), "e", ("0",)),
    }


@given(st.text(alphabet='{} a.\n["]\\'))
def test_no_text_breaks_it(text: str) -> None:
    list(templates.find(text))
    list(templates.problems(text))


@pytest.mark.parametrize(
    "text",
    [
        '{{ ["' * 10**5,
        '{{ ["' + "a" * 10**6,
        '{{ ["' + r"\"" * 10**6 + "}}",
        '{{ a["b"]' * 10**5 + "}}",
        "{{ a" + '["b"]' * 10**5 + " }}",
        "{" * 10**6,
        "{{" * 10**6,
        "{{a" * 10**5,
        "{{ a }} " * 10**5,
        "}}" * 10**6,
        "{{ " + "a." * 10**6,
    ],
)
def test_bait_takes_linear_time(text: str) -> None:
    started = time.monotonic()
    list(templates.find(text))
    list(templates.problems(text))
    assert time.monotonic() - started < 3
