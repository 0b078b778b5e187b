"""What is installed for a Python, read from its files: neither it nor anything of it is run."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

_FOLDER: Final = re.compile(r"python(\d+)\.(\d+)$")
_LONGEST_LICENCE: Final = 60


@dataclass(frozen=True, slots=True)
class About:
    """What a release says of itself."""

    version: Version
    #: Its licence in a few words; empty: it does not say.
    licence: str
    #: What it needs, as it is written.
    needs: tuple[str, ...]

    @classmethod
    def read(cls, told: Any) -> "About":  # noqa: ANN401 - two sorts of messages
        """Return what metadata say (PEP 566, PEP 639).

        Raises:
            InvalidVersion: there is no version.
        """
        licence = told.get("License-Expression") or told.get("License") or ""
        if not licence or len(licence) > _LONGEST_LICENCE or "\n" in licence:
            named = (each for each in told.get_all("Classifier") or () if "License ::" in each)
            licence = ", ".join(sorted(each.rpartition(" :: ")[2] for each in named))
        needs = tuple(map(str, told.get_all("Requires-Dist") or ()))
        # Whoever wrote it wrote for people who read changes: a few words are repeated to them.
        words = " ".join(str(licence).split())[:_LONGEST_LICENCE]
        return cls(Version(str(told.get("Version"))), words, needs)

    @classmethod
    def parse(cls, text: str) -> "About":
        """Return what the text of metadata says; see ``read``."""
        return cls.read(HeaderParser().parsestr(text))


@dataclass(frozen=True, slots=True)
class Installed:
    """The packages of one Python."""

    #: Its version in two parts, ``3.12``.
    python: str
    #: By name as an index has it.
    packages: Mapping[str, About]

    @classmethod
    def of(cls, python: Path) -> "Installed | None":
        """Return what a Python has; None: its packages are not where they usually are."""
        for folder in _folders(python):
            found = _FOLDER.search(folder.parent.name)
            if found is None:
                continue
            packages: dict[str, About] = {}
            for each in distributions(path=[str(folder)]):
                try:
                    name = canonicalize_name(str(each.metadata["Name"]))
                    packages.setdefault(name, About.read(each.metadata))
                except (InvalidVersion, KeyError, TypeError):
                    continue
            return cls(f"{found[1]}.{found[2]}", packages)
        return None

    @property
    def tags(self) -> frozenset[Tag]:
        """Tags of the wheels that fit it, if it is CPython on this machine."""
        major, minor = map(int, self.python.split("."))
        own = cpython_tags((major, minor))
        return frozenset((*own, *compatible_tags((major, minor), interpreter=f"cp{major}{minor}")))

    def unmet(self, needs: tuple[str, ...]) -> list[str]:
        """Return what a release needs and this Python does not have."""
        # What is not named here is as it is for this Python: they run on the same machine.
        environment = {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "extra": "",
        }
        found = []
        for text in needs:
            try:
                need = Requirement(text)
                is_meant = need.marker is None or need.marker.evaluate(environment)
            except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
                found.append(text)
                continue
            if not is_meant:
                continue
            has = self.packages.get(canonicalize_name(need.name))
            if has is None or not need.specifier.contains(has.version, prereleases=True):
                found.append(str(need))
        return found


def _folders(python: Path) -> Iterator[Path]:
    """Yield where a Python keeps its packages, its own environment first."""
    prefixes = (python.parent.parent, python.resolve().parent.parent)
    wanted = python.resolve().name
    for prefix in dict.fromkeys(prefixes):
        for name in ("site-packages", "dist-packages"):
            found = sorted(prefix.glob(f"lib/python3*/{name}"))
            # Where several Pythons share a prefix, the folder that is called as this one is its.
            yield from sorted(found, key=lambda each: each.parent.name != wanted)
