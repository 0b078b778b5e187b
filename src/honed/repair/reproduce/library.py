"""What values of Python's library say of themselves, and how they are made again."""

import builtins
from collections.abc import Mapping
from typing import Final

#: By the name that a value tells, the module and the name to call; all of them only hold what they
#: are given.
CALLED: Final[Mapping[str, tuple[str, str]]] = {
    **{f"datetime.{name}": ("datetime", name)
       for name in ("datetime", "date", "time", "timedelta", "timezone")},
    **{name: ("ipaddress", name)
       for name in ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network")},
    **{name: ("collections", name) for name in ("deque", "OrderedDict", "Counter")},
    **{name: ("builtins", name)
       for name in ("set", "frozenset", "range", "bytearray", "complex", "slice")},
    **dict.fromkeys(("dict_keys", "dict_values", "dict_items"), ("builtins", "list")),
    "Decimal": ("decimal", "Decimal"),
    "Fraction": ("fractions", "Fraction"),
    "UUID": ("uuid", "UUID"),
    "PosixPath": ("pathlib", "Path"),
    "WindowsPath": ("pathlib", "PureWindowsPath"),
    "PurePosixPath": ("pathlib", "PurePosixPath"),
    "PureWindowsPath": ("pathlib", "PureWindowsPath"),
    "namespace": ("types", "SimpleNamespace"),
    "mappingproxy": ("types", "MappingProxyType"),
    "zoneinfo.ZoneInfo": ("zoneinfo", "ZoneInfo"),
    "re.compile": ("re", "compile"),
}  # fmt: skip

#: What is no call: the name that a value tells, the module, and what is there.
NAMED: Final[Mapping[str, tuple[str, str]]] = {
    "datetime.timezone.utc": ("datetime", "timezone.utc"),
    "datetime.UTC": ("datetime", "timezone.utc"),
    "nan": ("math", "nan"),
    "inf": ("math", "inf"),
}

#: Errors can be arguments, too: what failed before.
ERRORS: Final = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception)
)
#: Types that stand as such: the factory of a defaultdict, what is to be parsed to.
TYPES: Final = frozenset(
    {"int", "float", "str", "bytes", "bool", "list", "dict", "set", "tuple", "frozenset", "object"}
)
