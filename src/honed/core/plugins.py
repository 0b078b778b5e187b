"""Finding plug-ins: one file in the family's folder, or an entry point of another package."""

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points
from typing import TypeVar

PluginT = TypeVar("PluginT")


def discover(family: str, base: type[PluginT]) -> dict[str, PluginT]:
    """Return one instance of every plug-in of ``family``, by name, in the order of names.

    Args:
        family: the package that holds the files, and the entry point group that outside
            packages use: ``honed.kinds``.

        base: the class that a plug-in of this family extends.

    Raises:
        ValueError: two plug-ins have the same name.
    """
    found: dict[str, PluginT] = {}
    for plugin in (*_own(family, base), *_outside(family, base)):
        name: str = plugin.name  # type: ignore[attr-defined]  # every family declares it
        if name in found:
            msg = f"two plug-ins of {family} are called {name!r}"
            raise ValueError(msg)
        found[name] = plugin()
    return dict(sorted(found.items()))


def _own(family: str, base: type[PluginT]) -> list[type[PluginT]]:
    package = importlib.import_module(family)
    classes: list[type[PluginT]] = []
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{family}.{module_info.name}")
        classes.extend(
            member
            for _, member in inspect.getmembers(module, inspect.isclass)
            if issubclass(member, base)
            and member.__module__ == module.__name__
            and not inspect.isabstract(member)
        )
    return classes


def _outside(family: str, base: type[PluginT]) -> list[type[PluginT]]:
    loaded = [point.load() for point in entry_points(group=family)]
    return [member for member in loaded if inspect.isclass(member) and issubclass(member, base)]
