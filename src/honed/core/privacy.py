"""Scrubbing by value: personal data and secrets become keyed tokens before anything is stored."""

import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b, sha256
from typing import TypeVar

from honed.core.canonical import Json
from honed.core.sensitive.credentials import hides
from honed.core.sensitive.rule import Rule, find, masked, plain
from honed.core.sensitive.screen import is_long_id, rules_for

KeyT = TypeVar("KeyT")
AnswerT = TypeVar("AnswerT")

#: What a token looks like; it is left alone wherever it stands. Every second part that it splits a
#: text into is one.
TOKEN = re.compile(r"(<[a-z][a-z0-9_]{1,31}:[0-9a-f]{8}>)")
_TOKEN_DIGITS = 8
#: What one pass takes away may lay another match open; a text that is not done by then is hidden
#: as a whole.
_MOST_PASSES = 8
#: What a client's own filter has left of a value.
_NOTHING = frozenset({"", "[Filtered]"})
#: Harmless texts that are remembered, each of at most so many characters: a few megabytes.
_MOST_KEPT = 8192
_LONGEST_KEPT = 256
#: Harmless lists of texts that are remembered, each of at most so many texts and characters: the
#: lines of code around a call come with each error that passes there.
_MOST_LISTS = 2048
_MOST_TEXTS = 16
_LONGEST_LIST = 1024
_DIGEST_BYTES = 16
#: What is nested deeper is cut off; a parser that recurses stops at about a thousand.
_MOST_DEPTH = 100
_TOO_DEEP = "<nested:00000000>"
#: Between them lie the numbers of cards.
_CARDS = range(10**12, 10**19)
#: What they begin with; nanoseconds since 1970 begin with 1.
_CARD_STARTS = "23456"
_PAIR = 2


class Scrubber:
    """Replaces personal data and secrets by tokens such as ``<email:3fa9c1d2>``.

    A token ends with the start of the HMAC-SHA-256 of what it stands for. So equal values stay
    equal and events group as before, and without the key nobody can try out which value it was.
    E-mail addresses and numbers are equal however they are written. Scrubbing again changes
    nothing. It takes time linear in the text.

    It finds what has a shape, or a telling name beside it: not names of people, nor postal
    addresses, nor a password in the middle of a sentence. Harmless short texts are kept in memory,
    so that what occurs in every event costs one look-up; of what is sensitive, only a keyed digest
    and the outcome. Threads may share it.

    Args:
        key: secret of the installation; another key makes other tokens.
    """

    def __init__(self, key: bytes) -> None:
        self._hmac = hmac.new(key, digestmod="sha256")
        self._texts = _Texts(self._scrubbed)
        self._names = _Memory(self._name)
        #: By the mask of a text.
        self._rules = _Memory(rules_for)
        #: Lists in which nothing was found.
        self._harmless: set[tuple[str, ...]] = set()
        #: Scrubbed texts, by a keyed digest of what they were.
        self._outcomes: dict[bytes, str] = {}
        self._digest_key = sha256(key).digest()

    def text(self, text: str) -> str:
        """Return ``text`` without personal data and secrets."""
        return self._texts[text]

    def value(self, value: Json) -> Json:
        """Return ``value`` with each of its texts scrubbed, keys too.

        What stands under a name such as ``password`` or ``authorization`` becomes a token whatever
        it looks like, also in a pair, as headers are: ``["Authorization", "..."]``. True, false,
        null and empty texts stay. Of members whose keys become equal the last one stays.
        """
        return self._value(value, 0)

    def _value(self, value: Json, depth: int) -> Json:
        if isinstance(value, str):
            return self._texts[value]
        if isinstance(value, int):
            return self._number(value)
        if value is None:
            return value
        if isinstance(value, float):
            # A number of a card, as a parser without integers reads it.
            is_whole = value.is_integer() and self._number(int(value)) != int(value)
            return self._number(int(value)) if is_whole else value
        # Dictionaries first: to ask for a Mapping takes ten times as long.
        if isinstance(value, (dict, Mapping)):
            return self._object(value, depth + 1)
        return self._array(value, depth + 1)

    def _object(self, value: Mapping[str, Json], depth: int) -> Json:
        if depth > _MOST_DEPTH:
            return _TOO_DEEP
        # Nearly all of an event is settled here, by one look-up a text.
        texts, names = self._texts, self._names
        scrubbed: dict[str, Json] = {}
        for key, item in value.items():
            name = names[key]
            if name is None:
                scrubbed[texts[key]] = self._hidden(item)
            elif isinstance(item, str):
                scrubbed[name] = texts[item]
            elif isinstance(item, dict):
                scrubbed[name] = self._object(item, depth + 1)
            elif isinstance(item, list):
                scrubbed[name] = self._array(item, depth + 1)
            else:
                scrubbed[name] = self._value(item, depth)
        if "value" in value:
            self._hide_attribute(value, scrubbed)
        return scrubbed

    def _array(self, value: Sequence[Json], depth: int) -> Json:
        if depth > _MOST_DEPTH:
            return _TOO_DEEP
        texts = _short_texts(value)
        if texts is not None and texts in self._harmless:
            return value
        scrubbed = self._each(value, depth)
        if texts is not None and scrubbed == list(texts):
            if len(self._harmless) >= _MOST_LISTS:
                self._harmless.clear()
            self._harmless.add(texts)
        return scrubbed

    def _each(self, value: Sequence[Json], depth: int) -> Json:
        if len(value) == _PAIR and isinstance(value[0], str) and self._names[value[0]] is None:
            return [self._texts[value[0]], self._hidden(value[1])]
        scrubbed = [
            self._object(item, depth + 1) if isinstance(item, dict) else self._value(item, depth)
            for item in value
        ]
        for place, item in enumerate(value[:-1]):
            # The arguments of a command: ["--password", "..."].
            if isinstance(item, str) and item[:1] == "-" and self._names[item.lstrip("-")] is None:
                scrubbed[place + 1] = self._hidden(value[place + 1])
        return scrubbed

    def _hide_attribute(self, value: Mapping[str, Json], scrubbed: dict[str, Json]) -> None:
        """Hide the value of ``{"key": "password", "value": ...}``."""
        name = value.get("key") or value.get("name")
        if isinstance(name, str) and self._names[name] is None:
            scrubbed["value"] = self._hidden(value["value"])

    def _hidden(self, value: Json) -> Json:
        """Return the token of a whole value."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            is_settled = value in _NOTHING or TOKEN.fullmatch(value)
            return value if is_settled else self._token("hidden", value)
        try:
            return self._token("hidden", json.dumps(value, sort_keys=True, default=_builtin))
        except RecursionError:
            return _TOO_DEEP

    def _number(self, number: int) -> Json:
        if number not in _CARDS or (text := str(number))[0] not in _CARD_STARTS:
            return number
        scrubbed = self._texts[text]
        return number if scrubbed == text else scrubbed

    def _name(self, key: str) -> str | None:
        """Return the scrubbed ``key``, or None where it hides its value."""
        return None if hides(key) else self._texts[key]

    def _scrubbed(self, text: str) -> str:
        rules = self._rules[masked(text)]
        return self._remembered(text, rules) if rules else text

    def _remembered(self, text: str, rules: Sequence[Rule]) -> str:
        """Return the outcome for ``text``: the same user, or line of a program, comes often."""
        digest = blake2b(_encoded(text), digest_size=_DIGEST_BYTES, key=self._digest_key).digest()
        outcome = self._outcomes.get(digest)
        if outcome is None:
            outcome = self._settled(text, rules)
            if outcome is not text and len(text) <= _LONGEST_KEPT:
                _keep(self._outcomes, digest, outcome)
        return outcome

    def _settled(self, text: str, rules: Sequence[Rule]) -> str:
        """Return ``text`` with tokens for what ``rules`` find, and then find in what is left."""
        for _ in range(_MOST_PASSES):
            before = text
            # Every second part is a token.
            parts = TOKEN.split(text) if "<" in text else [text]
            parts[::2] = [self._replaced(part, rules) for part in parts[::2]]
            text = "".join(parts)
            if text == before:
                return before
            if TOKEN.fullmatch(text):
                return text
        return self._token("text", text)

    def _replaced(self, text: str, rules: Sequence[Rule]) -> str:
        """Return ``text``, which holds no token, with one for each place that ``rules`` find."""
        found = find(rules, text)
        if not found:
            return text
        parts: list[str] = []
        end = 0
        for each in found:
            parts += (text[end : each.start], self._token(each.rule, text[each.start : each.end]))
            end = each.end
        parts.append(text[end:])
        return "".join(parts)

    def _token(self, rule: str, text: str) -> str:
        canonical = _CANONICAL.get(rule)
        known = plain(text) if canonical is None else canonical(plain(text))
        digest = self._hmac.copy()
        digest.update(_encoded(known))
        return f"<{rule}:{digest.hexdigest()[:_TOKEN_DIGITS]}>"


class _Memory(dict[str, AnswerT]):
    """Answers by text; what is harmless is kept: the text itself, or an answer that is nothing."""

    def __init__(self, answer: Callable[[str], AnswerT]) -> None:
        super().__init__()
        self._answer = answer

    def __missing__(self, text: str) -> AnswerT:
        answer = self._answer(text)
        if (answer is text or not answer) and len(text) <= _LONGEST_KEPT:
            _keep(self, text, answer)
        return answer


class _Texts(_Memory[str]):
    """Scrubbed texts. Ids are not kept: each comes once, and would drive out what comes again."""

    def __missing__(self, text: str) -> str:
        return text if is_long_id(text) else super().__missing__(text)


def _short_texts(value: Sequence[Json]) -> tuple[str, ...] | None:
    """Return the texts of an array that has nothing else, and few of them; None of another."""
    if not 0 < len(value) <= _MOST_TEXTS or not isinstance(value[0], str):
        return None
    try:
        size = len("".join(value))  # type: ignore[arg-type]  # says so where one is no text
    except TypeError:
        return None
    return tuple(value) if size <= _LONGEST_LIST else None  # type: ignore[arg-type]  # they are texts


def _keep(memory: dict[KeyT, AnswerT], key: KeyT, answer: AnswerT) -> None:
    """Keep ``answer``; where the memory is full, everything else is forgotten."""
    if len(memory) >= _MOST_KEPT:
        memory.clear()
    memory[key] = answer


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _builtin(value: Mapping[str, Json] | Sequence[Json]) -> Json:
    """Return a container as ``json`` knows it."""
    return dict(value) if isinstance(value, Mapping) else list(value)


def _address(text: str) -> str:
    """Return an e-mail address as it is meant, however it is written."""
    return _ENCODED_AT.sub("@", text).lstrip(".+-").lower()


def _digits(text: str) -> str:
    return "".join(filter(str.isalnum, text))


_ENCODED_AT = re.compile(r"%(?:25){0,2}40|&#(?:64|x40);")
_CANONICAL: Mapping[str, Callable[[str], str]] = {
    "email": _address,
    "phone": _digits,
    "card": _digits,
    "iban": _digits,
}
