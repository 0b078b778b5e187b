"""Secrets in a text: keys, tokens, passwords. What no patch, evidence or prompt may contain."""

from honed.core.sensitive.credentials import AWS_SECRET, NAMED, SCHEMES, USERINFO
from honed.core.sensitive.rule import Found, Rule, find, masked
from honed.core.sensitive.screen import needed
from honed.core.sensitive.tokens import DOTTED_TOKENS, TOKENS

__all__ = ["RULES", "Found", "find_secrets"]

#: Where two find the same, the first names it.
RULES: tuple[Rule, ...] = (*TOKENS, *DOTTED_TOKENS, *USERINFO, *SCHEMES, AWS_SECRET, *NAMED)


def find_secrets(text: str) -> list[Found]:
    """Return where ``text`` holds secrets, in order, without overlaps.

    It knows the shapes of providers' tokens, and what stands beside a secret: a name such as
    ``password``, a header, the place in an address, the id of its key. It does not find a secret
    that has no shape and stands alone. It takes time linear in the text.
    """
    return find(needed(RULES, masked(text).lower()), text)
