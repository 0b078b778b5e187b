"""Harmless values in the place of what was scrubbed: of the same form, and of nobody."""

from typing import Final

from honed.core.privacy import TOKEN

#: What stands for whatever has no form of its own: credentials, keys, whole hidden values.
HIDDEN: Final = "hidden"
#: What clients leave of values that they do not tell.
FILTERED: Final = frozenset({"[Filtered]", "[Scrubbed]"})
_CARD_DIGITS: Final = 16
_OCTETS: Final = 256
_PHONES: Final = 10**7


def harmless(text: str) -> str:
    """Return ``text`` with a harmless value for each token that it holds.

    Other tokens of personal data get other values. No value has the shape of somebody's own, so
    that scrubbing it again changes nothing: an address without a person (``git``) in a domain that
    is reserved (RFC 2606), the loop of this machine (RFC 1122, 3.2.1.3), numbers of no country.
    """
    if text in FILTERED:
        return HIDDEN
    return TOKEN.sub(lambda token: _value(*token[0].strip("<>").split(":")), text)


def _value(rule: str, digits: str) -> str:
    number = int(digits, 16)
    if rule == "email":
        return f"git@u{digits}.example"
    if rule == "ip":
        return f"127.0.{number // _OCTETS % _OCTETS}.{number % _OCTETS}"
    if rule == "phone":
        return f"+00 {number % _PHONES:07d}"
    if rule == "card":
        return "0" * _CARD_DIGITS
    if rule == "iban":
        return "DE" + "0" * 20
    return HIDDEN
