"""Texts of strangers are shown and not obeyed, whatever they are."""

import re
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.core.gate import GateResult
from honed.core.secrets import find_secrets
from honed.core.step import Step
from honed.forge.description import Evidence, Proof, body, commit_message, title
from honed.forge.quoting import MOST_CHARACTERS, block, code, indented, plain
from honed.forge.reviewers import reviewers

#: What strangers may try, and anything at all between.
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "@all",
                "@ada",
                "cc @shop/admins",
                "fixes #1",
                "Closes: shop/cart#12",
                "resolved https://github.com/shop/cart/issues/7",
                "Implements PROJ-12",
                "close GH-3",
                "!4",
                "```",
                "````\n",
                "~~~",
                "</details><script>alert(1)</script>",
                "<img src=x onerror=y>",
                "<!-- hidden -->",
                "![](https://evil.example/x.png)",
                "[x](javascript:y)",
                "\u202e",
                "\x1b[2J",
                "\r\n---\n",
                "\nSigned-off-by: x",
                "\nHoned-Ledger: 99",
                "\n# heading\n",
                "\u2028",
                "www.evil.example",
                "`",
                "\n\n",
            ]
        ),
        st.text(max_size=30),
    ),
    max_size=12,
).map("".join)

MENTION = re.compile(r"@[\w-]")
REFERENCE = re.compile(r"#\d|![0-9]|\bGH-\d|\b[A-Z]{2,}-\d")
ADDRESS = re.compile(r"(?i)https?://|www\.|mailto:")
CLOSING = re.compile(
    r"(?i)\b(clos(e|es|ed|ing)|fix(es|ed|ing)?|resolv(e|es|ed|ing)|implement(s|ed|ing)?)"
    r":?\s+([\w./-]*[#!]\d|https?://|[A-Z]+-\d)"
)
HTML = re.compile(r"<[A-Za-z/!?]")


def assert_is_not_obeyed(text: str) -> None:
    for obeyed in (MENTION, REFERENCE, ADDRESS, CLOSING, HTML):
        assert not obeyed.search(text), obeyed.pattern
    for each in text.replace("\u200b", "").replace("\n", ""):
        assert unicodedata.category(each) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def outside_of_blocks(markdown: str) -> str:
    """Return what is in no fenced block, as CommonMark (0.31, section 4.5) tells where one ends."""
    kept, fence = [], ""
    for line in markdown.split("\n"):
        opening = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if not fence and opening and "`" not in line[opening.end() :]:
            fence = opening[1]
        elif fence and re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}\s*", line):
            fence = ""
        elif not fence:
            kept.append(line)
    assert not fence, "a block that nobody ended"
    return "\n".join(kept)


@given(HOSTILE)
def test_a_block_ends_where_it_should(text: str) -> None:
    quoted = block(text)
    assert_is_not_obeyed(quoted)
    assert outside_of_blocks(quoted).strip() in {"", "(cut; the ticket has the rest)"}
    assert len(quoted) < 3 * MOST_CHARACTERS + 100


@given(HOSTILE)
def test_code_in_a_sentence_ends_where_it_should(text: str) -> None:
    quoted = code(text)
    assert "\n" not in quoted
    assert_is_not_obeyed(quoted)
    fence = re.match(r"`+", quoted)
    assert fence
    inner = quoted[len(fence[0]) : -len(fence[0])]
    assert quoted.endswith(fence[0])
    assert fence[0] not in re.findall(r"`+", inner)


@given(HOSTILE)
def test_a_title_is_one_line_that_nobody_obeys(text: str) -> None:
    said = plain(text)
    assert len(said.splitlines()) <= 1
    assert len(said) <= 120
    assert_is_not_obeyed(said)


@given(HOSTILE)
def test_a_commit_has_our_trailers_alone(text: str) -> None:
    evidence = Evidence(
        title=text,
        trouble=text,
        base_commit="a" * 40,
        risk_level=3,
        error=text,
        proofs=(Proof(text, 3, 3, 3),),
        ticket_id=12,
        ledger_index=7,
    )
    message = commit_message(evidence)
    assert_is_not_obeyed(message)
    assert message.endswith("\n\nHoned-Ledger: 7\nHoned-Ticket: 12\n")
    assert all(len(line) <= 72 for line in message.splitlines()[:1])
    for line in message.splitlines()[1:]:
        assert not re.match(r"---|#", line)


@pytest.mark.parametrize(
    "text",
    ["x", "a\n\nHoned-Ledger: 99\n", "---\nb", "Signed-off-by: x\n", "# y", "c\r\nHoned-Ledger: 1"],
)
def test_git_reads_our_trailers_alone(text: str) -> None:
    evidence = Evidence(
        title=text, trouble=text, base_commit="a" * 40, risk_level=3, ticket_id=12, ledger_index=7
    )
    told = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=commit_message(evidence),
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "Honed-Ledger: 7\nHoned-Ticket: 12\n"


@given(HOSTILE)
def test_a_description_is_ours_whatever_the_error_says(text: str) -> None:
    step = Step("revert " + text, do=("x",), undo=("y",), runner="git")
    evidence = Evidence(
        title=text,
        trouble=text,
        base_commit="a" * 40,
        risk_level=3,
        error=text,
        cause=f"because {text}",
        proofs=(Proof(text, 3, 3, 3),),
        gates=(GateResult("tests", passed=True, reason=text, evidence={text: 1.5}),),
        risk=text,
        undo=(step,),
        ticket_id=12,
        ledger_index=7,
        made_by=text,
    )
    assert_is_not_obeyed(title(evidence))
    said = body(evidence)
    assert_is_not_obeyed(said)
    headings = [line for line in outside_of_blocks(said).splitlines() if line.startswith("#")]
    assert headings == [
        "## What was wrong",
        "## Why this settles it",
        "## What proves it",
        "## Risk",
        "## How to undo it",
        "## Record",
    ]


def test_a_description_tells_what_was_wrong_what_proves_it_and_how_to_undo_it() -> None:
    evidence = Evidence(
        title="Look before asking an empty cart",
        trouble="AttributeError in shop/cart.py, 218 times in 24 h",
        base_commit="b" * 40,
        risk_level=4,
        error="AttributeError: 'NoneType' object has no attribute 'total'",
        proofs=(Proof("tests/test_cart.py::test_total[a-1]", 3, 3, 3),),
        gates=(
            GateResult("coverage", passed=True, reason="9 of 10 lines", evidence={"share": 0.9}),
        ),
        risk="an empty cart now costs 0",
        ticket_id=12,
        ledger_index=345,
    )
    said = body(evidence)
    for words in (
        "`AttributeError in shop/cart.py, 218 times in 24 h`",
        "has no attribute 'total'",
        "`tests/test_cart.py::test_total[a-1]`: red 3 of 3 times without",
        "this change, green 3 of 3 times with it",
        "- passed: `coverage` `9 of 10 lines` (`share = 0.9`)",
        "Level 4 of 10. `an empty cart now costs 0`",
        "Revert the commit",
        "- ticket: 12",
        "- entry of the ledger: 345",
    ):
        assert words in said
    assert title(evidence) == "Look before asking an empty cart"


def test_an_ordinary_title_stays_as_it_is() -> None:
    for said in ("Fix the total of an empty cart", "Close files in utf-8 mode", "Use a[b-1] & c"):
        assert plain(said) == said


def test_what_is_published_has_no_secrets() -> None:
    secret = "ghp_" + "a1B2" * 9
    assert find_secrets(secret)
    for said in (block(f"token {secret}"), code(secret), plain(secret), indented(secret)):
        assert secret not in said


def test_a_long_error_is_cut_and_says_so() -> None:
    said = block("x" * 100_000)
    assert len(said) < MOST_CHARACTERS + 100
    assert said.endswith("(cut; the ticket has the rest)")
    assert "cut" not in block("short")


def test_who_is_asked_for_a_review() -> None:
    found = reviewers(["ada", "renovate[bot]"], ["Ada", "honed-bot", "grace", "alan"])
    assert found == ("ada", "grace")
    assert reviewers(["ada"], ["grace"], never=["ADA"]) == ("grace",)
    assert reviewers(["../admin", "a b", "x?y", ""], []) == ()
