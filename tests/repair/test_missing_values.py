"""What is missing is answered for: None, keys and elements that are not there, exceptions."""

import pytest

from honed.repair.candidates import drafted
from honed.repair.localise import Spectrum
from honed.repair.source import Source, applied

HEAD = """\
NAMES = {"en": "Hello", "nl": "Hallo"}


def f(a, b, c: list[int]) -> str:
    "What it does."
"""
NONE = {"a": frozenset({"NoneType", "str"})}
TEXT = {"a": frozenset({"str"})}
LIST = {"a": frozenset({"int"}), "c": frozenset({"list"})}


def edits(
    body: str,
    types: dict[str, frozenset[str]] = NONE,
    keys: dict[str, tuple[str, ...]] | None = None,
    raised: frozenset[str] = frozenset(),
) -> set[tuple[str, str]]:
    """Return what templates make of the body of a function, with their names."""
    text = HEAD + "".join(f"    {line}\n" for line in body.splitlines())
    source = Source("/code/module.py", text.encode())
    lines = range(1, text.count("\n") + 1)
    spectrum = Spectrum(
        types={source.path: dict.fromkeys(lines, types)},
        raised=raised,
        keys={source.path: keys or {}},
    )
    found = drafted(source, spectrum, {(source.path, line): 1.0 for line in lines})
    whole = ((applied(source.text, each.edits).decode(), each.template) for each in found)
    return {(_body(after), name) for after, name in whole if after.startswith(HEAD)}


def _body(text: str) -> str:
    lines = text.removeprefix(HEAD).splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines)


@pytest.mark.parametrize(
    ("before", "after", "template"),
    [
        ("return a.strip()", 'return (a or "").strip()', "or_empty"),
        ("return b.name.strip()", 'return (b.name or "").strip()', "or_empty"),
        ("return b.all.items()", "return (b.all or {}).items()", "or_empty"),
        ("return len(a)", "return len(a or [])", "or_empty"),
        ("return int(a) + 1", "return int(a or 0) + 1", "or_empty"),
        ("return a + 'x'", "return (a or \"\") + 'x'", "or_empty"),
        ("for x in a: pass", "for x in a or []: pass", "or_empty"),
        ("return NAMES['english']", "return NAMES['en']", "known_key"),
        ('return b["lng"]', 'return b["lon"]', "known_key"),
        ("return b.get('lng')", "return b.get('lon')", "known_key"),
        ("return b.total", "return b.lon", "attribute"),
        ("return b[a]", "return b[a.strip().lower()]", "written_key"),
        ("return a in NAMES", "return a.lower() in NAMES", "written_key"),
        ("return int(b.get(a, ''))", 'return int(b.get(a, "1"))', "default_value"),
        ("return b.get(a)", "return b.get(a, [])", "default_value"),
        ("return b[c * 2]", "return b[min(c * 2, len(b) - 1)]", "clamp_index"),
        ("return b[c - 1]", "return b[max(c - 1, 0)]", "clamp_index"),
        ("return b.total_seconds / 3600", "return b.total_seconds() / 3600", "call_method"),
        ("return f'{b.x} of {b.lng}'", "return f'{b.x} of {b.lon}'", "attribute"),
        (
            "return b[len(b) / 2] + b[len(b) / 2 - 1]",
            "return b[len(b) // 2] + b[len(b) // 2 - 1]",
            "whole_quotients",
        ),
    ],
)
def test_what_is_not_there_has_a_stand_in(before: str, after: str, template: str) -> None:
    keys = {"b": ("lat", "lon"), "place": ("x",)}
    assert (after, template) in edits(before, keys=keys)


def test_what_was_never_none_needs_no_stand_in() -> None:
    assert "or_empty" not in {name for _, name in edits("return a.strip()", TEXT)}
    assert "or_empty" not in {name for _, name in edits("return len('a').real.numerator()", TEXT)}


def test_what_the_module_shows_of_its_names_is_known() -> None:
    assert "clamp_index" not in {name for _, name in edits("return NAMES[b + c]")}


def test_a_key_that_is_there_is_left_alone() -> None:
    assert "known_key" not in {name for _, name in edits("return NAMES['en']")}


def test_a_handler_takes_what_failing_tests_end_with() -> None:
    body = "try:\n    return int(a)\nexcept TypeError:\n    return None"
    found = edits(body, raised=frozenset({"ValueError", "AssertionError", "shop.Error"}))
    kinds = {after.splitlines()[2] for after, name in found if name == "handled_exception"}
    assert kinds == {"except (TypeError, ValueError):", "except ValueError:"}
    found = edits(body.replace("TypeError", "(TypeError, KeyError)"), raised=frozenset({"OSError"}))
    kinds = {after.splitlines()[2] for after, name in found if name == "handled_exception"}
    assert kinds == {"except (TypeError, KeyError, OSError):"}


def test_a_name_is_set_before_the_loop_that_may_not_set_it() -> None:
    body = "rows = b\nfor row in rows:\n    if row:\n        found = row\nreturn found"
    found = {after for after, name in edits(body) if name == "first_assignment"}
    assert body.replace("for row", 'found = ""\nfor row') in found
    assert not any(name == "first_assignment" for _, name in edits("a = b\nreturn a"))


def test_an_argument_is_copied_before_it_is_changed() -> None:
    for change in ("c.remove(a)", "c[0] = a", "c[0] += 1", "del c[0]"):
        found = edits(f"for x in b:\n    {change}\nreturn c", LIST)
        assert (f"c = list(c)\nfor x in b:\n    {change}\nreturn c", "copy_argument") in found
    assert "copy_argument" not in {name for _, name in edits("d = []\nd.append(a)")}
