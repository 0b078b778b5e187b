"""Which rules could find something in a text: a cheap look that settles most texts.

A telemetry event has a hundred strings of some ten characters, and nearly none of them is
sensitive. To map each byte to a class and to search for short runs of classes costs a tenth of what
the patterns cost, so a rule is tried only where what it needs occurs.
"""

import re
from collections.abc import Iterable

from honed.core.sensitive.credentials import AWS_SECRET, NAMED, SCHEMES, USERINFO
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
from honed.core.sensitive.rule import Rule
from honed.core.sensitive.tokens import DOTTED_TOKENS, TOKENS

_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_CAPITALS = _LETTERS.upper()


def _classes(*classes: tuple[bytes, bytes]) -> bytes:
    """Return a table that maps each byte of a class to the sign of that class."""
    table = bytearray(range(256))
    for members, sign in classes:
        for member in members:
            table[member] = sign[0]
    return bytes(table)


#: Capitals to A, what stands between digits to -, what may stand for an @ to @, and what may stand
#: between a name and its value to =.
_SHAPES = _classes((_CAPITALS, b"A"), (b" \t\r\n/()", b"-"), (b"%\\&", b"@"), (b":>", b"="))
_CARD_SEPARATORS = b" \t\r\n-"
_CARD_SHAPE = "0" * 13
_IBAN_SHAPE = "AA00"
_IPV4_DOTS = 3
#: An address without a gap has eight groups.
_IPV6_COLONS = 7
#: The signs of tokens to one sign.
_OPAQUE = _classes((_LETTERS + _CAPITALS + b"0_-", b"a"))
#: Each of ``TOKENS`` has so many in a row, but for those that _for_tokens names.
_OPAQUE_SHAPE = "a" * 16
#: The key, and the shortest word that announces it.
_LEAST_AWS = 40 + 3
_HEX = b"0abcdef-"
#: In its groups, and without so many digits in a row that they could be those of a card: 14 of
#: them, with a dash at least, because the longest group has 12.
_UUID = r"(?=[0-9a-f]{8}-)(?!.*[0-9-]{15})[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IS_UUID = re.compile(_UUID)
#: Of a length at which ids are all different.
_LONG_ID = re.compile(rf"(?=[0-9]*[a-f])[0-9a-f]{{16,}}|{_UUID}")


def needed(rules: Iterable[Rule], lowered: str) -> list[Rule]:
    """Return those of ``rules`` that need something of ``lowered``, a mask in small letters."""
    return [rule for rule in rules if any(need in lowered for need in rule.needs)]


def is_long_id(text: str) -> bool:
    """Return whether ``text`` is an id in which no rule finds anything, by a look at it alone."""
    return _LONG_ID.fullmatch(text) is not None


def rules_for(mask: str) -> list[Rule]:
    """Return the rules that could find something in a plain text of this mask; mostly none."""
    raw = mask.encode()
    if _is_id(raw, mask):
        return []
    shape = raw.translate(_SHAPES).decode()
    lowered = mask.lower()
    rules: list[Rule] = []
    if "@" in shape:
        rules += (*USERINFO, EMAIL) if "://" in mask else (EMAIL,)
    if "0" in shape:
        rules += _for_numbers(raw, mask, shape, lowered)
    if "::" in mask or mask.count(":") >= _IPV6_COLONS:
        rules.append(IPV6)
    if _may_hold_named(mask, shape, lowered):
        rules += needed(NAMED, lowered)
    if "bearer" in lowered or "basic" in lowered:
        rules += SCHEMES
    if len(mask) >= len(_OPAQUE_SHAPE):
        rules += _for_tokens(raw, mask, lowered)
    return rules


def _is_id(raw: bytes, mask: str) -> bool:
    """Return whether it is a hash or an id in hexadecimal digits: the most frequent of texts."""
    if raw.translate(None, _HEX):
        return False
    return _IS_UUID.fullmatch(mask) is not None if "-" in mask else bool(mask.strip("0"))


def _for_numbers(raw: bytes, mask: str, shape: str, lowered: str) -> list[Rule]:
    rules: list[Rule] = []
    if "0.0" in shape and mask.count(".") >= _IPV4_DOTS:
        rules.append(IPV4)
    if "+" in mask or "%0" in mask or "0-000" in shape:
        rules.append(INTERNATIONAL_PHONE)
    if (
        "0-000" in shape
        or "0--0" in shape
        or "000.0000" in mask
        or "00.00.00.00" in mask
        or "-00-00-00-00" in shape
    ):
        rules += LOCAL_PHONES
    if (
        len(mask) >= len(_CARD_SHAPE)
        and _CARD_SHAPE in raw.translate(None, _CARD_SEPARATORS).decode()
    ):
        rules.append(CARD)
    if _IBAN_SHAPE in shape:
        rules.append(IBAN)
    if (
        "tel" in lowered
        or "phone" in lowered
        or "mobile" in lowered
        or "fax" in lowered
        or "whatsapp" in lowered
    ):
        rules.append(CALLED_PHONE)
    return rules


def _may_hold_named(mask: str, shape: str, lowered: str) -> bool:
    """Return whether a part of each need of ``NAMED`` may occur, with what stands beside it.

    It is written out, because it runs most often of all.
    """
    if "=" not in shape and "--" not in mask and "%0" not in mask and "(" not in mask:
        return False
    return (
        "ss" in lowered
        or "pwd" in lowered
        or "cre" in lowered
        or "tok" in lowered
        or "key" in lowered
        or "auth" in lowered
        or "cook" in lowered
        or "cv" in lowered
        or "sig" in lowered
    )


def _may_hold_aws_secret(lowered: str) -> bool:
    """Return whether a need of ``AWS_SECRET`` may occur; written out, likewise."""
    return (
        "secret" in lowered
        or "aws" in lowered
        or "akia" in lowered
        or "asia" in lowered
        or "amazon" in lowered
    )


def _for_tokens(raw: bytes, mask: str, lowered: str) -> list[Rule]:
    rules: list[Rule] = []
    if len(mask) >= _LEAST_AWS and _may_hold_aws_secret(lowered):
        rules.append(AWS_SECRET)
    is_opaque = _OPAQUE_SHAPE in raw.translate(_OPAQUE).decode()
    if is_opaque or "$" in mask or "-----" in mask or "whsec_" in mask:
        rules += [rule for need, rule in _TOKENS_BY_NEED if need in lowered]
        rules += DOTTED_TOKENS if "." in mask else ()
    return rules


_TOKENS_BY_NEED = tuple((need, rule) for rule in TOKENS for need in rule.needs)
