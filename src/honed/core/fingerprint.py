"""Which errors are one fault: two with equal fingerprints have, as far as one can tell, one cause.

A fingerprint is made of the types of the errors in the chain, the place in the application where
the first cause arose (module, function and line of code, never its number), the shape of that
cause's message where its type is too general to say what is wrong, and the names that both message
and code tell. Who called that place is left out: a developer corrects the place, not each way to
it. So faults that differ only in who calls a general function of the application are one; where
that function is declared not to be in the app, its callers are told apart.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

from honed.core.fault import Fault, Frame, is_in_app
from honed.core.shape import folded, raised
from honed.core.stable_names import code_line, module_of, stable, type_name

__all__ = [
    "Fault",
    "Frame",
    "culprit",
    "files",
    "fingerprint",
    "is_in_app",
    "log_fingerprint",
    "log_shape",
    "title",
]

#: Goes into every fingerprint, so that a change of these rules does not mix old groups and new.
_RULES: Final = "1"

#: More causes, members of a group and library frames are left out.
_MAX_CAUSES: Final = 16
_MAX_MEMBERS: Final = 64
_MAX_PACKAGES: Final = 8
_MAX_FRAMES: Final = 256

#: In an endless recursion one function is there at least so often: Python prints the first three.
_REPEATS: Final = 3

_MAX_CODE: Final = 200
#: Of a message: what it quotes stands at its beginning.
_MAX_SEARCHED: Final = 160

#: Types that say only what an error is about: a value, a connection, a database. Of all others the
#: type says what is wrong, and the message adds values or describes an input: KeyError,
#: ZeroDivisionError, JSONDecodeError, NotFittedError.
_GENERAL: Final = re.compile(
    r"^(?:Base)?Exception(?:Group)?$|Warning$"
    r"|^(?:Value|Type|Attribute|Assertion|Runtime|OS|Import|Lookup|Arithmetic|System|Overflow)Error$"
    r"|\w*(?:Database|Operational|Programming|Integrity|Interface|Internal|Data|Storage|Validation"
    r"|Connect|Connection|Request|Response|HTTP|Http|Status|Client|Server|Service|Network|Transport"
    r"|Protocol|SSL|TLS|URL|API|Api|RPC|Rpc|Remote|Runtime|Process|Command|Usage|Parameter|Argument"
    r"|Config|Configuration|Base|App|Application)(?:Error|Exception)$"
    r"|(?:psycopg2?|\w*sql\w*)\.Error$"
    # An error that is called after its package is the base of the others.
    r"|^(\w+)\.(?i:\1)(?:Error|Exception)$"
)

#: What Python says of operands that do not fit depends on which of them it asks first.
_OPERANDS: Final = re.compile(
    r"unsupported operand|bad operand|can't multiply sequence|can only concatenate|can't concat "
    r"|must be real number|'\S+' not supported between"
)

#: A word that a message quotes, and the attributes and keys in code.
_QUOTED: Final = re.compile(r"""['"]([\w-]+)['"]""")
_NAME: Final = re.compile(r"""[.'"]([\w-]+)""")

#: Functions that only stand between a caller and what it calls.
_PASSES_ON: Final = re.compile(r"\(\*\w+, \*\*\w+\)")
_WRAPPERS: Final = frozenset({"inner", "wrapped", "decorated", "decorator"})
#: Frames of a comprehension, which newer Pythons no longer have.
_COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


def fingerprint(fault: Fault) -> str:
    """Return the group of ``fault`` as 32 hexadecimal digits.

    Of a chain, errors count that passed through the application; of a group, one member stands for
    all. Where no frame is in the app, the last frame in each package takes the place's part.
    """
    chain = _chain(fault)
    root = chain[-1]
    types = [name for name, _ in groupby(type_name(link.type) for link in chain)]
    return _digest([_RULES, *types, "", *_place(root), "", _shape(root), *_named(root)])


def log_fingerprint(logger: str, template_or_message: str) -> str:
    """Return the group of a log record as 32 hexadecimal digits."""
    return _digest([_RULES, "log", stable(logger), log_shape(template_or_message)])


def log_shape(template_or_message: str) -> str:
    """Return the first sentence of a record; values, and places for them, are folded to ``*``."""
    return folded(template_or_message)


def title(fault: Fault) -> str:
    """Return type and first line of the message for a person, however long.

    The values are those of this event. Whoever cuts it scrubs it before: half of a secret is not
    seen as one.
    """
    shown = _member(fault)
    line = shown.message.strip().partition("\n")[0]
    return " ".join(f"{shown.type.rpartition('.')[2]}: {line}".split()).removesuffix(":")


def culprit(fault: Fault) -> str:
    """Return ``module.function`` of the place where to look first; "" where there is no frame."""
    frames = _chain(fault)[-1].frames
    if not frames:
        return ""
    at = _blamed(frames)
    return _name(frames, len(frames) - 1 if at is None else at)


def files(fault: Fault) -> tuple[str, ...]:
    """Return the files of the app that ``fault`` passed through, as told, the culprit's first."""
    return tuple(
        dict.fromkeys(
            frame.file
            for link in reversed(_chain(fault))
            for frame in reversed(link.frames)
            if frame.is_in_app
        )
    )


def _digest(parts: Iterable[str]) -> str:
    text = "\n".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _chain(fault: Fault) -> list[Fault]:
    """Return the errors that count, the first cause last.

    What libraries translate among themselves does not count, nor does what was merely being handled
    when something else went wrong.
    """
    chain: list[Fault] = []
    link: Fault | None = fault
    while link and len(chain) < _MAX_CAUSES:
        member = _member(link)
        chain.append(member)
        link = member.cause
        if link and member.is_cause_context and not _translates(member, link):
            break
    passed = [link for link in chain if any(frame.is_in_app for frame in link.frames)]
    return passed or chain[:1]


def _member(fault: Fault) -> Fault:
    """Return the member that stands for an exception group: always the same, whatever the order."""
    if not fault.members:
        return fault
    waiting, leaves = [fault], list[Fault]()
    while waiting and len(leaves) < _MAX_MEMBERS:
        group = waiting.pop()
        waiting.extend(group.members[:_MAX_MEMBERS])
        if not group.members:
            leaves.append(group)
    return min(leaves, key=lambda leaf: (type_name(leaf.type), _place(leaf)))


def _translates(fault: Fault, handled: Fault) -> bool:
    """Return whether ``fault`` was raised on purpose by the function that caught ``handled``."""
    if not (fault.frames and handled.frames):
        return False
    last, first = fault.frames[-1], handled.frames[0]
    return (last.file, last.function) == (first.file, first.function) and (
        not last.code or last.code.startswith("raise")
    )


def _place(fault: Fault) -> list[str]:
    """Return where in the app it arose; else the last frame in each package that it passed."""
    frames = fault.frames
    at = _blamed(frames)
    if at is None:
        return _packages(frames)
    if type_name(fault.type) == "RecursionError" and (cycle := _cycle(frames)):
        return cycle
    return [_name(frames, at), code_line(frames[at].code)]


def _blamed(frames: Sequence[Frame]) -> int | None:
    """Return the index of the innermost frame in the app that does not merely pass on a call."""
    innermost = None
    for at in range(len(frames) - 1, -1, -1):
        if frames[at].is_in_app:
            if not _passes_on(frames[at]):
                return at
            innermost = at if innermost is None else innermost
    return innermost


def _passes_on(frame: Frame) -> bool:
    if frame.code.startswith("raise"):
        return False
    function = frame.function.rpartition(".")[2]
    return (
        function.endswith("wrapper")
        or function in _WRAPPERS
        or _PASSES_ON.search(frame.code[:_MAX_CODE]) is not None
    )


def _cycle(frames: Sequence[Frame]) -> list[str]:
    """Return the functions of the app that call each other without end, in the order of names."""
    counts = Counter(
        _name(frames, at)
        for at, frame in enumerate(frames)
        if frame.is_in_app and frame.function not in _COMPREHENSIONS
    )
    most = max(counts.values(), default=0)
    return sorted(name for name in counts if most >= _REPEATS and counts[name] > most / 2)


def _packages(frames: Sequence[Frame]) -> list[str]:
    """Return the last function in each package that was passed; Python's own only if no other."""
    places = range(max(len(frames) - _MAX_FRAMES, 0), len(frames))
    installed = [at for at in places if "-packages" in frames[at].file]
    names = [_name(frames, at) for at in installed or places]
    runs = groupby(names, key=lambda name: name.partition(".")[0])
    return [list(run)[-1] for _, run in runs][-_MAX_PACKAGES:]


def _name(frames: Sequence[Frame], at: int) -> str:
    """Return ``module.function`` of the frame; a comprehension's is that of what it stands in."""
    frame = frames[at]
    if frame.function in _COMPREHENSIONS:
        outer = (other for other in reversed(frames[:at]) if other.file == frame.file)
        frame = next((other for other in outer if other.function not in _COMPREHENSIONS), frame)
    module = frame.module if frame.module not in {"", "__main__"} else module_of(frame.file)
    return f"{stable(module)}.{stable(frame.function)}"


def _shape(fault: Fault) -> str:
    """Return what the message adds to type and place."""
    last = fault.frames[-1] if fault.frames else Frame("")
    is_own = last.is_in_app and last.code.startswith("raise")
    if not is_own and _is_telling(type_name(fault.type)) and any(f.is_in_app for f in fault.frames):
        return ""
    if fault.type == "TypeError" and _OPERANDS.match(fault.message[:_MAX_SEARCHED]):
        return "operands"
    return raised(fault.message, last.code, in_app=last.is_in_app)


def _named(fault: Fault) -> list[str]:
    """Return what the message quotes and the blamed code names: keys, attributes; no values."""
    at = _blamed(fault.frames)
    if at is None:
        return []
    names = _names(fault.frames[at].code[:_MAX_CODE])
    return [word for word in _QUOTED.findall(fault.message[:_MAX_SEARCHED]) if word in names]


@lru_cache(maxsize=4096)
def _is_telling(name: str) -> bool:
    return _GENERAL.search(name) is None


@lru_cache(maxsize=4096)
def _names(code: str) -> frozenset[str]:
    """Return the attributes and keys that a line of code names."""
    return frozenset(_NAME.findall(code))
