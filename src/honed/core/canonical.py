"""One byte string for one value, so that digests and signatures agree everywhere."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None


def canonical_json(value: Json) -> bytes:
    """Return the canonical UTF-8 bytes of ``value``.

    Keys are sorted and white space is left out, as in RFC 8785; a float becomes the string of
    its shortest decimal form, because JSON implementations disagree on how floats are printed.
    """
    plain = _without_floats(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Json) -> str:
    """Return the SHA-256 of the canonical bytes of ``value`` as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _without_floats(value: Json) -> Json:
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {str(key): _without_floats(item) for key, item in value.items()}
    return [_without_floats(item) for item in value]
