"""Secrets that are known by what stands beside them: a name, a header, the place in an address."""

import binascii
import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from honed.core.sensitive.rule import Rule, Span, needs, value, whole, word

#: Whose keys are recognised by a name such as ``OPENAI_KEY``; seed 003 has the first five.
_PROVIDERS = (
    "aws|google|openai|groq|gemini|anthropic|azure|gcp|stripe|sendgrid|twilio|mailgun|datadog"
    "|sentry"
)
#: How the names end under which secrets are kept.
_NAMES = (
    r"pass(?:word|wd|phrase|code)|(?<![a-z])pass|pwd|secret|token|credentials?"
    r"|(?:api|access|secret|private|encryption|signing|auth|client|account|shared|master|session"
    rf"|license|{_PROVIDERS})[_ .-]?key|sess(?:ion)?id|(?<![a-z])(?:cvv2?|cvc2?|ssn)"
)
#: What may follow: password2, password_confirmation, password_hash.
_MORE = r"(?:[_-]?(?:[12]|confirm(?:ation)?|again|repeat|hash))?"
#: One of these stands in every such name.
_NEEDS = ("pass", "pwd", "secret", "token", "credential", "key", "sess", "cvv", "cvc", "ssn")
#: Names of a phone, a card and the like too; and headers.
_HIDING_NAME = re.compile(
    rf"(?:[\w .:/$\[\]-]*(?:(?:{_NAMES}){_MORE}|authorization|[_-]auth|cookies?)"
    r"|auth|passwords|secrets|otp"
    r"|(?:tele)?phone(?:[_-]?number)?|mobile(?:[_-]?number)?|fax(?:[_-]?number)?|iban"
    r"|(?:credit[_-]?)?card[_-]?number|credit[_-]?card|passport(?:[_-]?number)?)",
    re.IGNORECASE,
)
#: What such names end with: a cheap look before the pattern.
_HIDING_ENDS = (
    *("word", "words", "wd", "phrase", "code", "pass", "secret", "secrets", "token", "key", "id"),
    *("credential", "credentials", "cvv", "cvc", "ssn", "otp", "authorization"),
    *("1", "2", "confirm", "confirmation", "again", "repeat", "hash"),
    *("auth", "cookie", "cookies", "phone", "mobile", "fax", "number", "card", "iban", "passport"),
)
#: Longer keys are no names.
_LONGEST_NAME = 128

#: Between a name and its value: quotes that close the name, a type, a sign of assignment, also as
#: a query string or HTML encodes them.
_SIGN = (
    r"""(?P<sign>(?:[\\"'\]]|&quot;|&#3[49];){0,6}"""
    r"(?:[ ]{0,3}:[ ]{0,3}(?:str|bytes|string|SecretStr|Final|Optional\[str\])"
    r"(?:[ ]?\|[ ]?None)?(?=[ ]{0,3}=))?"
    r"[ \t]{0,4}(?::=|=>|={1,3}|:|%3[AaDd])[ \t]{0,4}(?:%2[27]|&quot;|&#3[49];)?)"
)
#: Up to the same quote, escaped as often; a quote that is escaped more often belongs to the value.
_QUOTED = (
    r"""[bfruBFRU]{0,2}(?P<slashes>\\*+)(?P<quote>["'])"""
    r"""(?P<quoted>(?:[^\\"'\n]++|(?!(?P=slashes)(?P=quote))(?:\\++["']?|["']))++)"""
)
#: No value: it says where the secret is, by a call, a subscript, an attribute, a template.
_NO_LOOKUP = (
    r"(?!\$[{(\d]|\$[A-Z_]{2}|%[(s]|[A-Za-z_][\w.]{0,80}[(\[]"
    r"|(?:self|cls|os|sys|settings|config|conf|cfg|env|environ|request|args|kwargs|options|opts"
    r"|params|secrets|vault|credentials|creds|process|app|ctx|context|data|form|user|account|this)"
    r"\.[A-Za-z_])"
)
#: Up to a space, or to the next member of a query string or of a list of settings.
_BARE = (
    r"""(?P<bare>[^\s"'&;<>\\()\[\]{},|](?:[^\s"'&;<>\\]|\\(?![nrt"'\\])"""
    r"|[&;](?![\w .%\[\]-]{0,64}=|\s|$))*+)"
)
#: Masks, templates and words of programs.
_NO_SECRET = re.compile(
    r"[*x.•_?#-]+|\[?(?:filtered|redacted|removed|masked|scrubbed|hidden)\]?"
    r"|\$?\{\{?[^{}\"']*\}?\}|%\(?\w*\)?s|%[A-Z_]+%|\$[A-Z_]+|<[^<>]*>"
    r"|none|null|nil|undefined|true|false|str|bytes|string|secretstr|bool|int|any|object|empty|optional",
    re.IGNORECASE,
)
#: What prose says of a password after a colon, or of an option.
_PROSE = frozenset(
    "a an and are argument can cannot change changed contains did does enter error expected expired"  # noqa: SIM905 - reads as prose does
    " fail failed field file flag for forbidden from has if in incorrect input invalid is length"
    " mandatory may mismatch missing must no not of ok on option or parameter please prompt"
    " rejected required reset rotated should stdin supplied the this to too unexpected unknown"
    " unset use value was we weak will with wrong you your".split()
)
_CLOSING = ",.:)]}|"
#: A name that begins so says that its value is a password, however short and simple.
_PASSWORD = ("pass", "pwd", "secret", "ssn", "cv")
_LEAST_PASSWORD = 2
_LEAST_TOKEN = 6
_LEAST_OPAQUE = 16
#: Longer words without a digit may be tokens.
_LONGEST_SIMPLE = 32


def hides(name: str) -> bool:
    """Return whether a value of this name is hidden whatever it looks like."""
    if len(name) > _LONGEST_NAME or not name.lower().endswith(_HIDING_ENDS):
        return False
    return _HIDING_NAME.fullmatch(name) is not None


def _assigned(match: re.Match[str]) -> Span | None:
    """Return the span of an assigned value unless it is a placeholder, prose or a variable."""
    start, end = value(match)
    name, text = match["name"].lower(), match.string[start:end]
    if match["bare"] is not None:
        text = text.rstrip(_CLOSING)
        end = start + len(text)
        is_code = " " in match["sign"] and _is_simple(name, text)
        if is_code or ("=" not in match["sign"] and _is_prose(name, text)):
            return None
    least = _LEAST_PASSWORD if name.startswith(_PASSWORD) else _LEAST_TOKEN
    return (start, end) if len(text) >= least and _is_secret(name, text) else None


def _is_secret(name: str, text: str) -> bool:
    known = text.lower()
    is_variable = known.endswith(("_" + name, "." + name)) and _is_dotted(text)
    # `pass` also counts tests, and PWD is the folder that a shell is in.
    is_count = name == "pass" and text.isdigit()
    is_folder = name == "pwd" and text.startswith(("/", "~"))
    is_known = known == name or is_variable or is_count or is_folder
    return not is_known and _NO_SECRET.fullmatch(text) is None


def _is_prose(name: str, text: str) -> bool:
    return text.lower() in _PROSE or _is_simple(name, text)


def _is_simple(name: str, text: str) -> bool:
    """Return whether ``text`` is a word or a variable, and ``name`` not that of a password."""
    is_letters = _is_dotted(text) and not any(map(str.isdigit, text))
    says_password = name.startswith(_PASSWORD) and name != "pass"
    return is_letters and len(text) < _LONGEST_SIMPLE and not says_password


def _is_dotted(text: str) -> bool:
    return text.replace(".", "_").isidentifier()


def _option(match: re.Match[str]) -> Span | None:
    text, name = match[match.lastindex or 0], match["name"].lower()
    return value(match) if _is_secret(name, text) and not _is_prose(name, text) else None


def _pair(match: re.Match[str]) -> Span | None:
    text, name = match[match.lastindex or 0], match["name"].lower()
    return value(match) if len(text) >= _LEAST_TOKEN and _is_secret(name, text) else None


def _libpq(match: re.Match[str]) -> Span | None:
    start, end = value(match)
    text = match.string[start:end]
    return (start, end) if _is_secret("password", text.rstrip(_CLOSING)) else None


def _opaque(match: re.Match[str]) -> Span | None:
    text = match[match.lastindex or 0]
    is_opaque = any(map(str.isdigit, text)) or (len(text) >= _LEAST_OPAQUE and not text.islower())
    return value(match) if is_opaque else None


def _authorization(match: re.Match[str]) -> Span | None:
    text = match[match.lastindex or 0]
    is_opaque = match["scheme"] or match["parameters"] or any(map(str.isdigit, text))
    return value(match) if is_opaque and not _NO_SECRET.fullmatch(text) else None


def _basic(match: re.Match[str]) -> Span | None:
    try:
        is_pair = b":" in binascii.a2b_base64(match[1])
    except binascii.Error:
        return None
    return value(match) if is_pair else None


def _userinfo(match: re.Match[str]) -> Span | None:
    return None if match[1] == "git" or match[1].startswith(("$", "{", "%")) else value(match)


def _rule(
    name: str, pattern: str, *texts: str, span: Callable[[re.Match[str]], Span | None] = value
) -> Rule:
    return Rule(name, re.compile(pattern, re.IGNORECASE), needs(*texts), span)


#: A header, and what may stand between its name and its value.
_HEADER = r"""[\\"'\]]{0,6}[ \t]{0,4}[:=,][ \t]{0,4}[bu]?[\\"']{0,6}"""

#: Each has a sign of assignment or begins as an option does.
NAMED: tuple[Rule, ...] = (
    _rule(
        "authorization",
        rf"authorization{_HEADER}"
        r"(?:(?:digest|aws4-hmac-sha256|hawk)[ ]{1,4}(?P<parameters>(?:[\w-]{1,64}="
        r"""(?:\\{0,8}"[^"\\\r\n<>]*+\\{0,8}"|[^\s",\\<>]*+)(?:,[ ]{0,4})?)++)"""
        r"|(?:(?P<scheme>basic|bearer|token|negotiate|ntlm|api-?key)\s{1,4})?"
        r"""([^\s"'\\,;<>(){}\[\]]{4,}+))""",
        "authorization",
        span=_authorization,
    ),
    _rule(
        "cookie",
        rf"""cookie{_HEADER}([\w.%!#$&*+^`|~-]{{1,128}}+=[^\r\n"'\\<>]++)""",
        "cookie",
    ),
    # libpq ends a value only at a space (PostgreSQL documentation, 34.1.1.1).
    _rule(
        "libpq_password",
        r"password\s{0,4}=\s{0,4}(?:'((?:[^'\\<>]|\\.)++)'"
        rf"""|{_NO_LOOKUP}(?![(\[{{])((?:[^\s"'\\<>]|\\[^nrt"\\])++))""",
        "dbname=",
        "host=",
        "hostaddr=",
        "sslmode=",
        span=_libpq,
    ),
    _rule(
        "credential",
        rf"(?P<name>{_NAMES}){_MORE}(?:>(?P<element>[^<>\n]{{1,256}})</"
        rf"|{_SIGN}(?:{_QUOTED}|{_NO_LOOKUP}{_BARE}))",
        *_NEEDS,
        span=_assigned,
    ),
    _rule(
        "credential",
        rf"--(?<![\w-]--)(?=[a-z])[\w-]{{0,32}}(?P<name>{_NAMES})[ \t]{{1,4}}"
        rf"""["']?{_NO_LOOKUP}([^\s"'<>\\-][^\s"'<>\\]*+)""",
        *_NEEDS,
        span=_option,
    ),
    # As headers of a request are printed: (b"x-api-key", b"...").
    _rule(
        "credential",
        rf"""\(b?[\\"']{{1,4}}[\w-]{{0,64}}(?P<name>{_NAMES})[\\"']{{1,4}},[ ]?b?[\\"']{{1,4}}"""
        r"""([^\\"'\n]{1,1024}+)[\\"']{1,4}\)""",
        *_NEEDS,
        span=_pair,
    ),
    # Of an address that lets anybody in who has it.
    _rule("signature", r"(?:[?&]sig|-signature)=([a-z0-9%/+=]{30,}+)", "sig=", "signature="),
)

#: What a secret key of AWS stands near: the id of a key, or a word that says what it is.
_AWS = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}|(?<![a-z])(?:aws|amazon)|secret", re.IGNORECASE)
#: So far from it, before it or after it, in characters.
_NEAR = 128
#: Of 40 random signs of base64, 99.9 % have so many bits of entropy (Shannon, 1948), and so many
#: changes between small letters, capitals, digits and other signs; paths and names have fewer.
_LEAST_BITS = 4.3
_LEAST_CHANGES = 16


def _aws_secret(match: re.Match[str]) -> Span | None:
    start, end = match.span()
    around = match.string[max(start - _NEAR, 0) : start], match.string[end : end + _NEAR]
    is_near = any(map(_AWS.search, around))
    return whole(match) if is_near and _is_random(match[0]) else None


def _is_random(text: str) -> bool:
    """Return whether a text looks drawn by chance: no hash, path, name or base64 of a text."""
    classes = "".join(map(_class, text))
    changes = sum(one != other for one, other in pairwise(classes))
    shares = [count / len(text) for count in Counter(text).values()]
    bits = -sum(share * math.log2(share) for share in shares)
    if not {"a", "A", "0"} <= set(classes) or changes < _LEAST_CHANGES or bits < _LEAST_BITS:
        return False
    return not all(sign.isspace() or 32 <= ord(sign) < 127 for sign in _decoded(text))  # noqa: PLR2004 - what ASCII prints


def _class(sign: str) -> str:
    if sign.isdigit():
        return "0"
    if not sign.isalpha():
        return "/"
    return "A" if sign.isupper() else "a"


def _decoded(text: str) -> str:
    return binascii.a2b_base64(text).decode("latin-1")


#: It has no shape but its length, so it counts only near what announces it.
AWS_SECRET: Rule = _rule(
    "aws_secret_key",
    word(r"[a-z0-9/+](?<![/+].)[a-z0-9/+]{39}(?![a-z0-9/+=_-])"),
    "akia",
    "asia",
    "aws",
    "amazon",
    "secret",
    span=_aws_secret,
)

#: Schemes of authorization that stand without the name of the header.
SCHEMES: tuple[Rule, ...] = (
    _rule("bearer", r"(?<![a-z])bearer(?:\s|%20|\+){1,4}([\w.~+/=-]{6,}+)", "bearer", span=_opaque),
    _rule("basic", r"\bbasic\s{1,4}([a-z0-9+/]{6,}+={0,2})", "basic", span=_basic),
)

#: What stands before the host of an address. The second form allows a slash in a password, the
#: third, for databases and the like, an @ too, although both should be encoded.
USERINFO: tuple[Rule, ...] = (
    _rule(
        "sentry_dsn",
        r"https?://([0-9a-f]{32}(?::[0-9a-f]{32})?)@(?=[\w.:-]{1,255}/)",
        "://",
    ),
    _rule("userinfo", r"""://([^\s/?#"'<>\\]{1,512})@""", "://", span=_userinfo),
    _rule(
        "userinfo",
        r"""://([^\s:/?#@"'<>\\]{0,128}:(?!\d{1,5}(?:[/?#]|$))[^\s"'<>\\@]{1,128})@(?=[\w.\[])""",
        "://",
        span=_userinfo,
    ),
    _rule(
        "userinfo",
        r"""://(?<!http://)(?<!https://)([^\s:/?#@"'<>\\]{0,128}:[^\s"'<>\\]{1,128})@(?=[\w.\[])""",
        "://",
        span=_userinfo,
    ),
)
