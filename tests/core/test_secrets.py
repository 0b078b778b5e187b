"""Secrets in texts: each rule finds what it is for, decoys are left alone, time is linear."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import honed.testing.corpus
from honed.core.secrets import RULES, find_secrets
from honed.core.sensitive.personal import (
    CALLED_PHONE,
    CARD,
    EMAIL,
    IBAN,
    INTERNATIONAL_PHONE,
    IPV4,
    IPV6,
    LOCAL_PHONES,
)
from honed.core.sensitive.rule import Rule, find, masked
from honed.core.sensitive.screen import is_long_id, needed, rules_for
from honed.testing.corpus import DECOYS, PLANTED

PERSONAL: tuple[Rule, ...] = (
    EMAIL,
    IPV4,
    IPV6,
    CARD,
    IBAN,
    INTERNATIONAL_PHONE,
    *LOCAL_PHONES,
    CALLED_PHONE,
)
_SIGNS = " \n\t@:=.-+/\\\"'<>&;%,(){}[]0147abfABx_$é４\u00a0"
_PARTS = (
    "password=", "token: '", "://", "\\n", "\\u00e9", "%40", "%20", "<email:12345678>", "Bearer ",
    "Authorization: ", "Cookie: ", "-----BEGIN RSA PRIVATE " + "KEY-----", "host=", "0171 ",
    "+49 ", "0049 ", "::", "2001:", "4111 ", "ey" + "J", "sk" + "-", "gh" + "p_", "DE89", "phone ",
    "1.2.", "(",
)  # fmt: skip


@st.composite
def ids(draw: st.DrawFn) -> str:
    """Return what is, or looks like, an id in hexadecimal digits, mostly decimal ones."""
    groups = draw(
        st.just([8, 4, 4, 4, 12]) | st.just([32]) | st.lists(st.integers(0, 16), max_size=9)
    )
    cards = [re.sub(r"\D", "", each.secret) for each in PLANTED if each.name.startswith("card")]
    signs = draw(st.sampled_from(["0123456789", "0123456789a", "0123456789abcdef"]))
    some = st.text(signs, max_size=36)
    stream = iter(draw(st.builds(str.__add__, some, st.sampled_from(cards) | some)) + 200 * "0")
    text = "-".join("".join(next(stream) for _ in range(size)) for size in groups)
    return text.ljust(draw(st.sampled_from([0, 36])), "-")


@st.composite
def pieces(draw: st.DrawFn) -> str:
    """Return a text, a part of one of the corpus, or a part of a pattern."""
    whole = draw(st.sampled_from([planted.text for planted in PLANTED] + list(DECOYS)))
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, len(whole)))
    return draw(
        st.sampled_from(_PARTS)
        | st.just(whole[start:end])
        | st.text(_SIGNS, max_size=6)
        | st.text()
    )


TEXTS = st.lists(pieces(), max_size=6).map("".join)

#: Repeated, they make many places where a pattern might begin, and none where it ends.
UNITS = (
    "a", "1", "1 ", "-", "--a", ".", "a.", "a-", "@", "a@", "a@a", "%", "%40", "\\", "\\u", "\\n",
    "://", "://a:", "a://a:b@", "4111 ", "+1", "01 ", "1.1.", "10.1.1.1 ", "DE89 ", "2001:", "::",
    "password=", "password='", "password=\\'", "password=&", "password=a(", "--password ", "é",
    'token="\\', "token:", "<password>", "('token', '", "host= password=", "cookie:a", "bearer ",
    "authorization: digest ", "basic a", "phone 1", "<", "a<email:12345678>", "ey" + "J", "1//0",
    "ey" + "Ja.", "sk" + "-", "gh" + "p_", "-----BEGIN PRIVATE " + "KEY-----", "-----BEGIN ",
    "$2b$12$", "12345678:AA", "S" + "G.aaaaaaaaaaaaaaaaaa.", "M" + "a" * 23 + ".", " at 0x",
    "password: ", "hooks.slack.com/services/a/", "\\u0041",
)  # fmt: skip
#: Where each character is looked at from a bounded number of places, a long text takes a second or
#: two; where it is not, this is not reached within hours.
LIMIT_S = 30.0
#: No token, password or address is longer.
LONGEST_GOING_BACK = 512


def test_every_rule_finds_something_planted() -> None:
    found = {each.rule for planted in PLANTED for each in find_secrets(planted.text)}
    assert found == {rule.name for rule in RULES}


@pytest.mark.parametrize("decoy", DECOYS)
def test_a_decoy_holds_no_secret(decoy: str) -> None:
    assert find_secrets(decoy) == []


def test_places_are_exact() -> None:
    secret = "gh" + "p_" + "a1" * 18
    text = f"first\nsecond {secret} third"
    assert [text[each.start : each.end] for each in find_secrets(text)] == [secret]


def test_places_are_exact_behind_escapes() -> None:
    secret = "gh" + "p_" + "a1" * 18
    text = f'{{"name": "J\\u00fcrgen \\\\u00fc", "key": "{secret}"}}'
    assert [text[each.start : each.end] for each in find_secrets(text)] == [secret]


@given(TEXTS)
def test_places_are_in_order_and_apart(text: str) -> None:
    end = 0
    for each in find_secrets(text):
        assert end <= each.start < each.end <= len(text)
        end = each.end


@given(TEXTS)
def test_the_cheap_look_loses_nothing(text: str) -> None:
    mask = masked(text)
    every = needed((*RULES, *PERSONAL), mask.lower())
    assert set(find(rules_for(mask), text)) == set(find(every, text))


@given(ids() | TEXTS)
@example("5555-5555-5555-4444" + 17 * "-")
@example("31000756-9436-2200-6280-964217400808")
def test_no_rule_finds_anything_in_what_is_passed_at_a_glance(text: str) -> None:
    if is_long_id(text) or not rules_for(masked(text)):
        assert find((*RULES, *PERSONAL), text) == []


@given(st.uuids().map(str))
def test_most_uuids_are_passed_at_a_glance(text: str) -> None:
    assert is_long_id(text) or re.search("[0-9-]{15}", text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("pass" + "word=a,b;c d", "a,b;c"),
        ("Pass" + "word=abc;User Id=bob", "abc"),
        ("to" + "ken=abc123&page=2", "abc123"),
        ("pass" + 'word: "it\\"s" and more', 'it\\"s'),
        ('{\\"pass' + 'word\\": \\"hun\\\\\\"ter\\", \\"a\\": 1}', 'hun\\\\\\"ter'),
        ("DB_PASS" + "WORD: Optional[str] = 'swordfish'", "swordfish"),
        ("mongodb+srv://bob:" + "p@ss/word@cluster.example/db", "bob:p@ss/word"),
        ("http://host:8080/a?b=c@d", ""),
        ("ssh://git@example.com/a", ""),
    ],
)
def test_a_value_ends_where_it_should(text: str, secret: str) -> None:
    assert "".join(text[each.start : each.end] for each in find_secrets(text)) == secret


def test_scanners_of_this_repository_stay_quiet() -> None:
    source = Path(honed.testing.corpus.__file__).read_text(encoding="utf-8")
    assert find_secrets(source) == []


@pytest.mark.parametrize("rule", [*RULES, *PERSONAL], ids=lambda rule: rule.name)
def test_what_repeats_without_a_bound_never_goes_back(rule: Rule) -> None:
    parser: Any = re._parser  # type: ignore[attr-defined]  # the only way to look into a pattern
    tree = parser.parse(rule.pattern.pattern, rule.pattern.flags & ~re.UNICODE)
    assert _longest_going_back(tree, parser) <= LONGEST_GOING_BACK


def _longest_going_back(tree: Any, parser: Any) -> int:
    """Return how often a repetition that may give back what it took can repeat at most."""
    longest = 0
    for operator, argument in tree:
        if operator in {parser.MAX_REPEAT, parser.MIN_REPEAT}:
            longest = max(longest, int(argument[1]))
        for part in _subpatterns(argument, parser):
            longest = max(longest, _longest_going_back(part, parser))
    return longest


def _subpatterns(argument: Any, parser: Any) -> list[Any]:
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, (list, tuple)):
        return [part for each in argument for part in _subpatterns(each, parser)]
    return []


@pytest.mark.parametrize("unit", UNITS)
def test_time_is_linear(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    start = time.process_time()
    find_secrets(text)
    find(PERSONAL, text)
    assert time.process_time() - start < LIMIT_S / 10


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_time_of_a_megabyte_is_linear(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    find_secrets(text)
    find(PERSONAL, text)
    assert time.process_time() - start < LIMIT_S
