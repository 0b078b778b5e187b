"""Whatever a model says, a proposed change names one file inside the repository and can be read."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.llm.conftest import CHANGE

from honed.core.privacy import Scrubber
from honed.errors import AnswerRefused
from honed.llm.change import ProposedChange
from honed.llm.schema import json_schema, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
#: Parts of paths, friendly and not.
PARTS = st.sampled_from([
    "shop", "cart.py", "..", ".", "", ".git", ".GIT", ".git ", "git~1", "C:", "~", "a b", "...",
    "con", "-rf", "$HOME", "%2e%2e", "\N{ZERO WIDTH SPACE}", "\0", "\n", "\\", "..\\..", "//h",
])  # fmt: skip


def refusal(said: Any) -> str:
    text = said if isinstance(said, str) else json.dumps(said)
    with pytest.raises(AnswerRefused) as refused:
        parse(text, ProposedChange)
    return str(refused.value)


def test_a_change_is_read() -> None:
    change = parse(json.dumps(CHANGE), ProposedChange)
    assert (change.target_file, change.risk_level) == ("shop/cart.py", "low")
    assert change.code == CHANGE["code"]


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{json.dumps(CHANGE)}\n```",
        "<think>\nIt adds {wrong}.\n</think>\n" + json.dumps(CHANGE),
    ],
)
def test_what_models_put_around_is_taken_off(text: str) -> None:
    assert parse(text, ProposedChange) == ProposedChange(**CHANGE)


@pytest.mark.parametrize(
    "file",
    [
        "", "/etc/passwd", "../x.py", "a/../../x.py", "a//b.py", "./a.py", "a/.", "a/", "C:/x.py",
        "C:x.py", "\\\\host\\x.py", "a\\..\\b.py", ".git/hooks/pre-commit", "a/.GIT/config",
        ".git /config", "GIT~1/config", "a\0.py", "a\n.py", "x" * 501, "~\N{LEFT-TO-RIGHT MARK}/x",
        ".. /x", "...", 7, None, ["a.py"],
    ],
)  # fmt: skip
def test_a_file_outside_the_repository_is_refused(file: Any) -> None:
    assert "target_file" in refusal({**CHANGE, "target_file": file})


@given(st.lists(PARTS | st.text(max_size=4), min_size=1, max_size=5))
@example(["..", "..", "etc", "passwd"])
def test_no_path_that_is_taken_leads_out(parts: list[str]) -> None:
    file = "/".join(parts)
    try:
        change = parse(json.dumps({**CHANGE, "target_file": file, "code": ""}), ProposedChange)
    except AnswerRefused:
        return
    root = Path("/somewhere/repository")
    inside = change.path_in(root)
    assert inside.is_relative_to(root)
    assert inside != root
    assert ".git" not in str(inside).casefold().split("/")
    assert str(inside) == str(root / file)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "repository", tmp_path / "outside"
    outside.mkdir()
    (root / ".git").mkdir(parents=True)
    (root / "shop").symlink_to(outside)
    (root / "meta").symlink_to(root / ".git")
    for file in ("shop/cart.py", "meta/config"):
        change = ProposedChange(**{**CHANGE, "target_file": file})
        with pytest.raises(AnswerRefused):
            change.path_in(root)
    (root / "src").mkdir()
    change = ProposedChange(**{**CHANGE, "target_file": "src/new.py"})
    assert change.path_in(root) == (root / "src" / "new.py").resolve()


@pytest.mark.parametrize(
    "code", ["def f(:\n", "x = 1\n\0", "return 5 5", "(" * 5000, "\ud800 = 1", "'unended"]
)
def test_what_is_not_python_is_refused(code: str) -> None:
    refusal({**CHANGE, "code": code})
    if "\0" not in code and "\ud800" not in code:
        text = {**CHANGE, "code": code, "target_file": "notes.txt"}
        assert parse(json.dumps(text), ProposedChange).code == code


def test_an_old_escape_is_no_reason_to_refuse() -> None:
    parse(json.dumps({**CHANGE, "code": 'pattern = "\\d"\n'}), ProposedChange)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({**CHANGE, "risk_level": "LOW"}, "risk_level"),
        ({**CHANGE, "risk_level": "none"}, "risk_level"),
        ({**CHANGE, "risk_level": 1}, "risk_level"),
        ({**CHANGE, "impact": ""}, "impact"),
        ({**CHANGE, "impact": "x" * 2001}, "impact"),
        ({**CHANGE, "code": "#" * 400_001}, "code"),
        ({**CHANGE, "code": 5}, "code"),
        ({**CHANGE, "command": "rm -rf /"}, "command"),
        ({name: CHANGE[name] for name in ("target_file", "code", "impact")}, "risk_level"),
        ([CHANGE], "object"),
        ("null", "object"),
        ("{}", "target_file"),
        ('{"risk_level": "high", "risk_level": "low"}', "object"),
        ("[" * 50_000, "object"),
        (json.dumps(CHANGE)[:-5], "object"),
        (json.dumps(CHANGE) + " and so on", "object"),
        ("NaN", "object"),
    ],
)
def test_what_was_not_asked_for_is_refused(said: Any, what: str) -> None:
    assert what in refusal(said)


def test_a_refusal_repeats_nothing_of_the_answer() -> None:
    assert "hunter2" not in refusal({**CHANGE, "risk_level": "hunter2"})
    assert "hunter2" not in refusal({**CHANGE, "impact": ["hunter2"]})


@given(st.text() | JSON.map(json.dumps))
def test_any_answer_is_a_change_or_refused(text: str) -> None:
    with suppress(AnswerRefused):
        assert isinstance(parse(text, ProposedChange), ProposedChange)


@given(st.fixed_dictionaries(
    {"target_file": st.text(), "code": st.text(), "risk_level": st.text(), "impact": st.text()},
    optional={"more": JSON},
))  # fmt: skip
@settings(max_examples=200)
def test_any_change_is_as_it_was_said_or_refused(said: dict[str, Any]) -> None:
    try:
        change = parse(json.dumps(said), ProposedChange)
    except AnswerRefused:
        return
    assert {name: getattr(change, name) for name in CHANGE} == said


def test_text_is_any_text_but_none() -> None:
    assert parse("  hello\n", str) == "hello"
    with pytest.raises(AnswerRefused):
        parse(" \n", str)


def test_the_schema_says_nothing_that_providers_refuse() -> None:
    text = json.dumps(json_schema(ProposedChange))
    for word in ("maxLength", "minLength", "title", "default", "pattern"):
        assert word not in text
    assert '"enum": ["low", "medium", "high"]' in text
    assert json_schema(str) is None


OLD = '__author__ = "ann@shop.example"\nTOTAL = 1\nphone("+49 30 901820")\n'


def test_lines_that_the_model_saw_scrubbed_come_back(scrubber: Scrubber) -> None:
    seen = scrubber.text(OLD)
    assert "ann@" not in seen
    change = ProposedChange(**{**CHANGE, "code": seen.replace("TOTAL = 1", "TOTAL = 2")})
    restored = change.restored({"shop/cart.py": OLD}, scrubber)
    assert restored.code == OLD.replace("TOTAL = 1", "TOTAL = 2")


def test_a_token_that_cannot_come_back_is_refused(scrubber: Scrubber) -> None:
    seen = scrubber.text(OLD)
    for code in (seen.replace("__author__ =", "AUTHOR ="), 'x = "<email:0badc0de>"\n'):
        change = ProposedChange(**{**CHANGE, "code": code})
        with pytest.raises(AnswerRefused) as refused:
            change.restored({"shop/cart.py": OLD}, scrubber)
        assert "hidden" in str(refused.value)


@given(st.text(alphabet="ab@.\n 4=\"'", max_size=60).map(lambda text: "k = 1\n" + text))
def test_a_file_that_is_not_changed_comes_back_as_it_was(old: str) -> None:
    scrubber = Scrubber(b"a key of tests" * 3)
    change = ProposedChange(**{**CHANGE, "target_file": "a.txt", "code": scrubber.text(old)})
    try:
        assert change.restored({"a.txt": old}, scrubber).code == old
    except AnswerRefused:
        # Two lines look the same scrubbed.
        assert len(set(old.splitlines())) > len(set(scrubber.text(old).splitlines()))
