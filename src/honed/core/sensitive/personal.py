"""Personal data that is known by its value: addresses, numbers of phones, cards and accounts."""

import re
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter

from honed.core.sensitive.rule import Rule, Span, needs, value, word

#: An "@" as it is, in a query string, in HTML.
_AT = r"(?:@|%(?:25){0,2}40|&#(?:64|x40);)"
_EMAIL = re.compile(
    # It begins where no other address could have begun, so that each character is looked at once;
    # what an escape ends (\n, %20) is no part of it.
    r"(?<!://)(?:(?<![\w.+%\\-])|(?<=\\[nrtbf])|(?<=\\)(?![nrtbf])"
    r"|(?<=%[0-9A-Fa-f]{2})|(?<=%)(?![0-9A-Fa-f]{2}))"
    r"(?P<local>(?:[\w.+-]|%2[BbDdEe]|%5[Ff])++)"
    rf"{_AT}(?P<domain>[\w-]++(?:\.[\w-]++)++)"
)
#: They end the names of files and services that have an "@": icon@2x.png, getty@tty1.service.
_NO_DOMAINS = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "py", "tgz", "whl"}
    | {"service", "socket", "timer"}
)
#: A top-level domain, also where something that is none follows it.
_TOP_LEVEL = re.compile(r"(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})(?![^\W_])", re.IGNORECASE)
#: 163.com is a domain, 1.0.beta is a version.
_MOST_NUMERIC = 2

_IPV4 = re.compile(word(r"[0-9](?<!\w\..)\d{0,2}(?:\.\d{1,3}){3}(?!\w|\.\w)"), re.ASCII)
_MOST_OCTET = 255
#: Numbers of one digit each are those of a version or a section.
_MOST_OF_VERSION = 9
#: What stands before a version of four numbers.
_VERSION = re.compile(
    r"(?:version|versions|release|build|rev|section|chapter|step|v|[=~<>!^]=|[~^§])[_\s:=\"']{0,6}$"
    r"|[a-z]-$",
    re.IGNORECASE,
)
_VERSION_CHARACTERS = 18
_LEAST_AFTER_DASH = 10

_HEX = r"[0-9A-Fa-f]{1,4}"
#: Unicast addresses as RFC 4291, 2.4 assigns them: 2000::/3, fc00::/7 and fe80::/10.
_IPV6 = re.compile(
    word(r"[23Ff](?<![:.].)(?:(?<=[23])[0-9A-Fa-f]|(?<=[Ff])[CcDd]|(?<=[Ff])[Ee](?=[89ABab]))")
    + r"[0-9A-Fa-f]{2}"
    rf"(?:(?::{_HEX}){{7}}|(?P<head>(?::{_HEX}){{0,6}})::(?P<tail>(?:{_HEX}(?::{_HEX}){{0,6}})?))"
    r"(?![\w:])"
)
_IPV6_GROUPS = 8

#: Candidates are looked at ahead, so that one that fails does not hide the next.
_CARD = re.compile(word(r"[2-6](?<!\d\..)(?=((?:[ \t\r\n-]?\d){12,18}))"), re.ASCII)
#: Lengths of numbers by how they begin (ISO/IEC 7812, as the brands publish their ranges).
_BRANDS = re.compile(
    r"4\d{15}"
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14}(?:\d{3})?|(?:50|5[6-9]|6\d)\d{14}"
)

_IBAN = re.compile(word(r"[A-Z](?=([A-Z]\d\d(?:[ \t\r\n-]?[A-Z0-9]){11,30}))"), re.ASCII)
#: Lengths by country, from SWIFT's IBAN registry.
_IBAN_LENGTHS = {
    entry[:2]: int(entry[2:])
    for entry in (  # noqa: SIM905 - eighty pairs are read best in a row
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27"
        " DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28"
        " IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22"
        " MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24"
        " SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
    ).split()
}

_INTERNATIONAL = re.compile(
    word(r"[+%0](?:(?<=\+)(?<!\+.)|(?<=%)2[Bb]|(?<=0)(?<!\d[.-].)0(?=[1-9]\d{0,2}[ ]))")
    + r"([1-9](?:[ .()/-]{0,3}\d){8,20})(?!\w)",
    re.ASCII,
)
#: Numbers of one country, as they are written there: North America, France, and those that begin
#: with 0 and have a group for the place.
_NORTH_AMERICAN = re.compile(
    word(r"[(1-9](?<!\d[.-].)") + r"(?:(?<=\()[2-9]\d\d\)[ ]?|(?<=[2-9])\d\d[.-]"
    r"|(?<=1)(?:[ -]\([2-9]\d\d\)[ ]|[.-][2-9]\d\d[.-]))"
    r"[2-9]\d\d(?:(?<=[.]\d{3})\.|(?<![.]\d{3})[ -])\d{4}(?!\w|[.-]\d)",
    re.ASCII,
)
_FRENCH = re.compile(
    word(r"0(?<!\d[.-].)") + r"[1-9]([ .-])\d\d(?:\1\d\d){3}(?!\w|[.-]\d)", re.ASCII
)
#: With a group for the place, or for the network, that begins with 0.
_PLACE = re.compile(
    word(r"[(0](?<!\d[.-].)") + r"(?:(?<=\()0[1-9]\d{1,4}\)[ ]?|(?<=0)(?:[1-9]\d{1,4}[ /-]|6[ -]))"
    r"(\d{3}[\d -]{2,8}\d)(?!\w|[.-]\d)",
    re.ASCII,
)
_CALLED = re.compile(
    r"(?<![a-z])(?:tele?(?:phone?)?|telefon|phone|mobile|fax|whatsapp)(?:[_ ]?(?:number|no))?"
    r"""[\\"']{0,4}[ ]?[:=.#]?[ ]?(?:is )?[\\"']{0,4}(\(?\d(?:[ .()/-]{0,2}\d){6,14})(?!\w)""",
    re.ASCII | re.IGNORECASE,
)
#: Country codes that ITU-T E.164 assigns.
_COUNTRY = re.compile(
    r"[17]|2(?:[07]|1[1-368]|[2346]\d|5[0-8]|9[0179])|3(?:[0-469]|[578]\d)|4(?:[013-9]|2[013])"
    r"|5(?:[1-8]|[09]\d)|6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])|8(?:[1246]|5[02356]|7[0-478]|8[0-368])"
    r"|9(?:[0-58]|6\d|7[0-79]|9[2-68])"
)
#: E.164 allows 15 digits; the shortest numbers with the code of a country have 9 or so.
_INTERNATIONAL_DIGITS = range(9, 16)
#: North America and Russia have 11.
_LONG_CODES = {"1": range(11, 12), "7": range(11, 12)}
_PLACE_DIGITS = range(10, 13)
_DIGITS = re.compile(r"[0-9]+")
_WORD = re.compile(r"\w", re.ASCII)
#: In a list of numbers.
_SHORT_GROUP = re.compile(r"(?<![0-9])[0-9]{1,2}(?![0-9])")
_DECIMALS = re.compile(r"\.[0-9]")


def _ends(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Yield where a number may end, each end of a group of digits, and its digits; the last first.

    The number begins at ``start`` and has at least one digit before ``end``.
    """
    groups = list(_DIGITS.finditer(text, start, end))
    digits = "".join(map(itemgetter(0), groups))
    for group in reversed(groups):
        if not _WORD.match(text, group.end()):
            yield group.end(), digits
        digits = digits[: group.start() - group.end()]


def _international(match: re.Match[str]) -> Span | None:
    if not _COUNTRY.match(match[1].translate(_UNSEPARATED)):
        return None
    for end, digits in _ends(match.string, *match.span(1)):
        if len(digits) in _LONG_CODES.get(digits[0], _INTERNATIONAL_DIGITS):
            return match.start(), end
    return None


def _place(match: re.Match[str]) -> Span | None:
    for end, digits in _ends(match.string, *match.span()):
        if len(digits) in _PLACE_DIGITS:
            return match.start(), end
    return None


def _card(match: re.Match[str]) -> Span | None:
    for end, digits in _ends(match.string, match.start(), match.end(1)):
        is_card = _BRANDS.fullmatch(digits) and _luhn(digits)
        if is_card and not _SHORT_GROUP.search(match.string, match.start(), end):
            return None if _DECIMALS.match(match.string, end) else (match.start(), end)
    return None


def _luhn(digits: str) -> bool:
    """Return whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    doubled = digits[-2::-2].translate(_DOUBLED)
    return (sum(map(int, digits[-1::-2])) + sum(map(int, doubled))) % 10 == 0


#: Twice a digit, its own digits added up.
_DOUBLED = str.maketrans("0123456789", "0246813579")


def _iban(match: re.Match[str]) -> Span | None:
    """Return the span of an account number whose check digits are right (ISO 13616, ISO 7064)."""
    text, start = match.string, match.start()
    length = _IBAN_LENGTHS.get(text[start : start + 2])
    signs = text[start : match.end(1)].translate(_UNSEPARATED)[:length]
    if length != len(signs) or int((signs[4:] + signs[:4]).translate(_IBAN_VALUES)) % 97 != 1:
        return None
    places = (place for place in range(start, match.end(1)) if text[place].isalnum())
    end = next(islice(places, length - 1, None)) + 1
    return None if text[end : end + 1].isalnum() else (start, end)


#: A is 10, Z is 35.
_IBAN_VALUES = {ord("A") + letter: str(10 + letter) for letter in range(26)}
_UNSEPARATED = dict.fromkeys(map(ord, " \t\r\n-"))


def _ipv4(match: re.Match[str]) -> Span | None:
    """Return the span unless it is a version or names nobody: this machine, a net, everybody."""
    octets = [int(octet) for octet in match[0].split(".")]
    names_nobody = octets[0] in {0, 127, 255} or not any(octets[1:])
    if max(octets) > _MOST_OCTET or max(octets) <= _MOST_OF_VERSION or names_nobody:
        return None
    before = match.string[max(0, match.start() - _VERSION_CHARACTERS) : match.start()]
    version = before and _VERSION.search(before)
    if version and (not version[0].endswith("-") or octets[0] < _LEAST_AFTER_DASH):
        return None
    return match.span()


def _ipv6(match: re.Match[str]) -> Span | None:
    if match["tail"] is None:
        return match.span()
    groups = 1 + match["head"].count(":") + match["tail"].count(":") + bool(match["tail"])
    return match.span() if groups < _IPV6_GROUPS else None


def _email(match: re.Match[str]) -> Span | None:
    if match["local"].lower() == "git":
        return None
    labels = match["domain"].split(".")
    end = match.end()
    while len(labels) > 1:
        top = _TOP_LEVEL.match(labels[-1])
        if top and not (len(labels) > _MOST_NUMERIC and "".join(labels[:-1]).isdecimal()):
            is_file = top[0] in _NO_DOMAINS
            return None if is_file else (match.start(), end - len(labels[-1]) + top.end())
        end -= len(labels.pop()) + 1
    return None


EMAIL = Rule("email", _EMAIL, needs("@", "%40", "&#"), _email)
IPV4 = Rule("ip", _IPV4, needs("."), _ipv4)
IPV6 = Rule("ip", _IPV6, needs(":"), _ipv6)
CARD = Rule("card", _CARD, needs("0"), _card)
IBAN = Rule("iban", _IBAN, needs("0"), _iban)
INTERNATIONAL_PHONE = Rule("phone", _INTERNATIONAL, needs("0"), _international)
LOCAL_PHONES: tuple[Rule, ...] = (
    Rule("phone", _NORTH_AMERICAN, needs("0")),
    Rule("phone", _FRENCH, needs("0")),
    Rule("phone", _PLACE, needs("0"), _place),
)
CALLED_PHONE = Rule("phone", _CALLED, needs("tel", "phone", "mobile", "fax", "whatsapp"), value)
