"""A proposer: one way to find a change after which tests pass. A plug-in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from honed.config import Settings
from honed.core.change import CodeChange, FileChange
from honed.core.fault import Fault
from honed.repair.suite import Budget
from honed.storage.db import Database
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.judging.judge import Court

#: The package of honed's own, and the entry point group of others.
FAMILY: Final = "honed.proposers"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is to be mended: tests that fail on one commit."""

    #: The files of that commit, in a folder that is honed's own.
    folder: Path
    commit: str
    #: Ids of the tests that must pass; empty: all that fail.
    failing: tuple[str, ...] = ()
    #: Files, folders or ids of the tests to search with; empty: all.
    tests: tuple[str, ...] = ()
    #: Files of tests that the commit does not have yet, by path: they come with the change.
    added: Mapping[str, str] = field(default_factory=dict)
    #: The exception behind it, with scrubbed variables; None: it is not known.
    fault: Fault | None = None
    #: By test what it said when it failed.
    messages: Mapping[str, str] = field(default_factory=dict)
    #: What proposers that were asked before came to, in a sentence each, by their names.
    tried: Mapping[str, str] = field(default_factory=dict)
    #: The ticket that it is about, whose budget holds; None: there is none.
    ticket_id: int | None = None

    @property
    def new_files(self) -> tuple[FileChange, ...]:
        """The files of tests that come with the change."""
        return tuple(FileChange(path, None, text) for path, text in sorted(self.added.items()))


@dataclass(frozen=True, slots=True)
class Bench:
    """What a proposer works with."""

    #: How tests are run.
    court: Court
    #: What one search may cost.
    budget: Budget
    settings: Settings
    #: The whole history; None: there are only files.
    clone: Clone | None = None
    #: honed's own database, as the daemon; None: nothing is remembered and nothing is spent.
    store: Database | None = None
    #: What each template has been worth so far, 1.0 where nothing is known.
    priors: Mapping[str, float] = field(default_factory=dict)
    #: Patterns that were mined from changes that people kept, the best known first.
    patterns: tuple[str, ...] = ()
    #: Told in a sentence what is done next, which may take minutes.
    tell: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a proposer found."""

    #: The best first; after each, alone on the commit, the failing tests pass.
    changes: tuple[CodeChange, ...] = ()
    #: Why there is none, in a sentence; empty: there is one.
    why_none: str = ""
    #: Whether nothing was asked that may answer later: a model was away, its budget spent.
    is_for_now: bool = False
    #: Counts and times: ``candidates``, ``seconds``, ``patches`` ...
    examined: Mapping[str, float] = field(default_factory=dict)


class Proposer(ABC):
    """One way to find a change; it runs code in the sandbox only, and writes nothing that stays."""

    #: Stored with every change; never renamed.
    name: ClassVar[str]
    #: Proposers are asked in this order, the cheap ones first, until a change is sound.
    order: ClassVar[int]

    @abstractmethod
    def propose(self, trouble: Trouble, bench: Bench) -> Proposed:
        """Return changes after which the failing tests of ``trouble`` pass; see ``Proposed``.

        Each change carries the new files of ``trouble``, and in ``made_by`` this proposer's name
        with whatever tells its ways apart: ``template_repair: swap_comparison``.

        Raises:
            RepairFailed: the tests cannot be collected, or none fails.
            SandboxMissing: there is no sandbox; nothing was run.
        """
