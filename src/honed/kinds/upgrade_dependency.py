"""Raises the version of one dependency where the repository's own tests pass with it.

## What it does

It reads what the repository declares (`pyproject.toml`, `requirements*.txt`), what the Python of
its tests has installed, and which releases an index of packages or a folder of wheels has. The next
one (the newest with the same major version, else the first major version after it; no pre-release,
nothing that was yanked, nothing younger than `package_age_days`) is unpacked into a folder that the
sandbox sees first, and the tests are run with it. The change raises that one pin or lower bound.

## Why it helps

Small steps are easy to judge and to take back; years of them at once are not. A release that breaks
something is found by the tests before anybody has to look at it.

## Risk and rollback

A release is code of others that runs where the repository runs: a person approves each, and it is
never merged without one. Only wheels are taken, by their digest; nothing of them runs outside of
the sandbox. Where a lock file or a generated file pins the package too, or the release needs others
that are not installed, there is a finding alone. The undo closes the request and deletes its
branch; where it is merged already, a revert is proposed.

## How it is measured

By gates, in a sandbox: no test that passed with the installed release fails with the new one, and
they take no longer. Nothing of production is measured.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from packaging.version import InvalidVersion, Version

from honed.core.change import CodeChange, FileChange, Purpose
from honed.core.finding import Finding, FindingType
from honed.core.gate import Examination
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Danger, Risk
from honed.errors import EvaluatorFailed, TargetUnavailable
from honed.targets.repository.code_kind import Claimed, CodeKind, Gates
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.target import RepositoryTarget
from honed.targets.repository.upgrade.index import Releases
from honed.targets.repository.upgrade.installed import About, Installed
from honed.targets.repository.upgrade.layer import (
    about,
    drop_unneeded,
    layer_of,
    modules,
)
from honed.targets.repository.upgrade.releases import Wheel, next_step, step_name
from honed.targets.repository.upgrade.requirements import (
    Declared,
    declared,
    edited,
    is_declaring,
    is_generated,
    lock_files,
    names,
)

OUTDATED_DEPENDENCY: Final = FindingType("outdated_dependency")

#: Packages whose releases are fetched in one cycle.
_MOST: Final = 20
#: What is least likely to break something is proposed first.
_STEPS: Final = ("patch", "minor", "major")


class UpgradeDependency(CodeKind):
    """See the module's docstring."""

    name: ClassVar[str] = "upgrade_dependency"
    risk: ClassVar[Risk] = Risk(level=5, danger=Danger.EXTERNAL)
    wants: ClassVar[frozenset[FindingType]] = frozenset({OUTDATED_DEPENDENCY})

    def look(self, target: RepositoryTarget) -> Iterable[Finding]:
        """Return the dependencies that have a newer release, and what stands in its way.

        Without an index and a folder of wheels there are none.
        """
        if not target.settings.package_index and target.settings.package_wheels is None:
            return []
        drop_unneeded(_layers(target), target.store)
        installed = Installed.of(target.court.python)
        if installed is None:
            return []
        commit = target.shape().commit
        with target.files(commit) as tree:
            survey = _Survey(target, Checkout(tree.root, {}, target.court), installed, commit)
            return list(survey.findings())

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim for each release that nothing stands in the way of."""
        commit = target.shape().commit
        known = [
            each
            for each in findings
            if each.evidence.get("commit") == commit and not each.evidence.get("obstacle")
        ]
        known.sort(key=lambda each: (_STEPS.index(str(each.evidence["step"])), each.subject))
        for finding in known:
            if target.withheld(_cause(finding)):
                continue
            claim = self.claim(_claimed(finding, len(known)), target)
            if claim is not None:
                yield claim

    def trial(self, hypothesis: Hypothesis, target: RepositoryTarget) -> Examination:
        """Return the gates, with the new release on the side of the change.

        Raises:
            EvaluatorFailed: it cannot be had any more.
        """
        parameters: Any = hypothesis.parameters
        wheel = Wheel.from_json(parameters["wheel"])
        try:
            layer = layer_of(wheel, _releases(target), _layers(target))
        except TargetUnavailable as error:
            raise EvaluatorFailed(str(error), hint=error.hint) from error
        return Gates(target, packages=layer)


@dataclass(frozen=True, slots=True)
class _Survey:
    """Looks at the dependencies of one commit."""

    target: RepositoryTarget
    side: Checkout
    installed: Installed
    commit: str

    def findings(self) -> Iterator[Finding]:
        """Yield one finding for each dependency that has a newer release."""
        by_name: dict[str, list[Declared]] = {}
        for path in sorted(filter(is_declaring, self.side.paths())):
            for each in declared(path, self.side.read(path) or ""):
                by_name.setdefault(each.name, []).append(each)
        known = [name for name in sorted(by_name) if name in self.installed.packages]
        for name in known[:_MOST]:
            try:
                found = self._finding(name, by_name[name], len(by_name))
            except (TargetUnavailable, InvalidVersion):
                # What the index does not tell now it tells in another cycle.
                continue
            if found is not None:
                yield found

    def _finding(self, name: str, stated: Sequence[Declared], count: int) -> Finding | None:
        has = self.installed.packages[name]
        wheel = self._next(name, has.version)
        if wheel is None:
            return None
        layer = layer_of(wheel, _releases(self.target), _layers(self.target))
        new = about(layer)
        one = min(stated, key=lambda each: (not each.is_pin, each.path))
        text = self.side.read(one.path) or ""
        after = edited(text, one, str(new.version))
        missing = "" if after else f"{one.path} does not say {one.text} in one place"
        obstacle = next(self._obstacles(one, stated, new), missing)
        why = f", but {obstacle}" if obstacle else ""
        return Finding(
            OUTDATED_DEPENDENCY,
            name,
            f"{name} {has.version} is installed, and {new.version} is there{why}",
            evidence={
                "commit": self.commit,
                "installed": str(has.version),
                "release": str(new.version),
                "step": step_name(has.version, new.version),
                "path": one.path,
                "before": text if after else "",
                "after": after,
                "obstacle": obstacle,
                "is_imported": self._is_imported(modules(layer)),
                "licences": [has.licence, new.licence],
                "wheel": wheel.to_json(),
            },
            weight=1 / count,
        )

    def _next(self, name: str, current: Version) -> Wheel | None:
        now = datetime.now(UTC)
        least = timedelta(days=self.target.settings.package_age_days)
        tags = self.installed.tags
        fitting = [
            each
            for each in _releases(self.target).wheels(name)
            # A folder was filled by a person, who knows how old its wheels are.
            if each.fits(tags, f"{self.installed.python}.99")
            and (each.is_old_enough(now, least) or "://" not in each.url)
        ]
        return next_step(fitting, current)

    def _obstacles(self, one: Declared, stated: Sequence[Declared], new: About) -> Iterator[str]:
        """Yield why a person has to raise it; nothing: a change of one line does."""
        version, raised = new.version, one.raised(str(new.version))
        pins = sum(each.is_pin for each in stated)
        if locked := self._locks(one.name):
            yield f"{locked} pins it: refresh that with the tool that wrote it"
        if is_generated(self.side.read(one.path) or ""):
            yield f"{one.path} is written by a tool: run that"
        if pins > 1:
            yield f"{pins} places pin it"
        if unmet := self.installed.unmet(new.needs):
            yield f"it needs {', '.join(unmet)}, which is not installed"
        if not all(_allows(each.text, version) for each in stated if each != one):
            yield "another place does not allow it"
        if not _allows(one.text, self.installed.packages[one.name].version):
            yield f"{one.text} is declared, which the installed release is not"
        if not raised or not _allows(raised, version):
            yield f"{one.text} does not allow it"

    def _is_imported(self, names_of_modules: frozenset[str]) -> bool:
        """Return whether a file of the repository imports one of some modules at all."""
        words = "|".join(map(re.escape, sorted(names_of_modules)))
        imports = re.compile(rf"(?m)^\s*(?:from|import)\s+(?:[\w., ]+,\s*)?(?:{words})\b")
        texts = (self.side.read(each) or "" for each in self.side.paths() if each.endswith(".py"))
        return bool(words) and any(map(imports.search, texts))

    def _locks(self, name: str) -> str:
        paths = lock_files(iter(self.side.paths()))
        naming = (each for each in paths if names(self.side.read(each) or "", name))
        return next(naming, "")


def _claimed(finding: Finding, count: int) -> Claimed:
    evidence: Any = finding.evidence
    name, new, old = finding.subject, evidence["release"], evidence["installed"]
    licences = _licences(*evidence["licences"])
    step = evidence["step"]
    alone = "" if evidence["is_imported"] else " Nothing in the repository imports it by name."
    said = f".{alone}{licences}".rstrip(".")
    change = CodeChange(
        evidence["commit"],
        (FileChange(evidence["path"], evidence["before"], evidence["after"]),),
        message=f"Raise {name} from {old} to {new}\n\nA {step} release.{alone}{licences}\n",
        purpose=Purpose.UPGRADE,
        made_by=f"upgrade_dependency: {step}",
    )
    return Claimed(
        _cause(finding),
        change,
        claim=f"the tests pass with {name} {new} ({step}) instead of {old}{said}",
        priority=1,
        predicted_log_ratio=math.log(count / (count + 1)),
        findings=[finding],
        trouble=f"{name} {old} is installed, and {new} is there.{alone}{licences}",
        more={"wheel": evidence["wheel"]},
    )


def _licences(old: str, new: str) -> str:
    """Return what is to be said of another licence; empty: it is the same."""
    if old == new:
        return ""
    return f" Its licence changes from {old or 'none that is named'} to {new or 'none'}."


def _allows(requirement: str, version: Version) -> bool:
    one = Declared("", requirement).requirement
    return one.specifier.contains(version, prereleases=True)


def _cause(finding: Finding) -> str:
    """Return the root cause: a release that a person does not want leaves room for the next."""
    return f"outdated dependency: {finding.subject} before {finding.evidence['release']}"


def _releases(target: RepositoryTarget) -> Releases:
    settings = target.settings
    kept = settings.home / "packages" / "index"
    return Releases(settings.package_index, settings.package_wheels, kept)


def _layers(target: RepositoryTarget) -> Path:
    return target.settings.home / "packages" / "layers"
