"""The stage: honed with its endpoint, the planted service in production, and what comes of a fault.

From the envelope that an unmodified SDK of Sentry sends to the branch that is proposed, everything
is what a user has: the endpoint, the store, the loop, the sandbox, a person who says yes, the local
forge.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from honed.backlog import decide
from honed.backlog.scan import chosen, installed_sources, scan
from honed.backlog.store import tickets
from honed.core.answer import Answer
from honed.core.canonical import Json
from honed.core.forge import ChangeState
from honed.core.verdict import State
from honed.improvement.record import Improvement
from honed.interfaces.http.app import create_app
from honed.interfaces.http.evidence import health_router
from honed.interfaces.http.gate import Rules
from honed.interfaces.http.intake import Door
from honed.loop.cycle import ENDED, Options
from honed.signals.intakes import open_intakes
from honed.signals.projects import Project, add_project
from honed.signals.scrubbing import open_scrubber
from honed.storage.server import PORT, Server
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Wanted
from honed.targets.repository.target import RepositoryTarget
from honed.testing.hire.knowing import answer_of
from honed.testing.hire.planted import Planted
from honed.testing.pair import served
from honed.wiring import App

_LONGEST_S: Final = 120
#: How often production is asked until its report has come.
_TRIES: Final = 3
_PASSED_ON: Final = ("PATH", "PYTHONPATH")
#: The kind of which this is a test.
_KIND: Final = "fix_exception"
#: How often a person is asked about one fault.
_MOST_ANSWERS: Final = 2
_CHECKS: Final = "tests/test_what_is_right.py"


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one turn of the loop."""

    #: To the request for review, or to the loop's rest.
    seconds: float
    #: CPU time meanwhile of honed and of everything that it ran, PostgreSQL's left out.
    cpu_s: float
    #: The published change; None: there is none.
    change: Change | None
    #: Whether what was published does what is right; None: nothing was.
    is_right: bool | None
    #: Why nothing was published; empty: something was.
    why_not: str
    #: Which proposer made it, and how.
    made_by: str
    #: What was changed, without its test.
    diff: str

    @property
    def outcome(self) -> str:
        """``right``, ``wrong`` or ``not published``."""
        if self.change is None:
            return "not published"
        return "right" if self.is_right else "wrong"


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one fault."""

    fault: Planted
    #: The first without any answer, each other with one more.
    turns: tuple[Turn, ...]
    #: What a person said was right between two turns.
    answers: tuple[Answer, ...] = ()

    @property
    def last(self) -> Turn:
        """The turn that the fault ended with."""
        return self.turns[-1]

    @property
    def seconds(self) -> float:
        """Of all turns."""
        return sum(turn.seconds for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Stage:
    """Honed around the service."""

    app: App
    #: Where honed takes signals.
    url: str
    #: A checkout of the service that nobody works in.
    planted: Path
    #: Production's database.
    database: str
    folder: Path
    #: What each target's row says beside its branch and project: what is lent to its tests.
    lent: Mapping[str, Json]

    def play(self, fault: Planted) -> Played:
        """Let production meet a fault, and the loop turn; return what came of it.

        Each fault has a target, a project and a checkout of its own, so that none waits for
        another. A person says yes to whatever is asked. Where nothing was published, and a change
        of code settles it, a person says what is right of the call that honed asks about, and the
        loop turns again: twice, if another call is asked about then.
        """
        name = re.sub(r"\W+", "-", fault.name)
        target = self._target(name)
        self._meet(fault, name)
        self._scan()
        turn, found = self._turn(fault, target)
        turns, answers = [turn], list[Answer]()
        while turns[-1].change is None and fault.is_fixable and len(answers) < _MOST_ANSWERS:
            answer = self._answer(target, found, answers)
            if answer is None:
                break
            turn, found = self._turn(fault, target)
            answers.append(answer)
            turns.append(turn)
        return Played(fault, tuple(turns), tuple(answers))

    def _turn(self, fault: Planted, target: RepositoryTarget) -> tuple[Turn, Sequence[Improvement]]:
        began_s, began_cpu_s = time.monotonic(), _cpu_s()
        found = self._cycle(target.name)
        seconds, cpu_s = time.monotonic() - began_s, _cpu_s() - began_cpu_s
        change = self._published(target.name)
        turn = Turn(
            seconds,
            cpu_s,
            change,
            is_right=None if change is None else self._is_right(fault, target, change),
            why_not="" if change else self._why_not(found, target),
            made_by=_made_by(found),
            diff="" if change is None else _diff(target, change),
        )
        return turn, found

    def _scan(self) -> None:
        sources = chosen(installed_sources(), self.app.settings, ("exceptions",))
        scan(self.app.store.owner, sources, self.app.settings)

    def _answer(
        self,
        target: RepositoryTarget,
        found: Sequence[Improvement],
        before: Sequence[Answer],
    ) -> Answer | None:
        """Keep what is right of the call that honed asks about; None: it is nothing new."""
        said = (each.hypothesis.parameters for each in found if each.kind == _KIND)
        asked: Mapping[str, Any] = next(said, {})
        with self.app.store.owner.transaction() as conn:
            (ticket,) = (each for each in tickets(conn) if each.project == target.name)
        answer = answer_of(target, ticket, asked, before)
        if answer is None or answer in before:
            return None
        with self.app.store.owner.transaction() as conn:
            author = decide.Author(open_scrubber(conn, self.app.settings.key_file), "somebody")
            return decide.answer(conn, ticket.ticket_id, answer, author)

    def _target(self, name: str) -> RepositoryTarget:
        person = self.folder / name
        shutil.copytree(self.planted, person)
        options = {"branch": "main", "project": name, **self.lent}
        record = TargetRecord(name, str(person), str(person), "repository", options)
        add_target(self.app.store.owner, record)
        target = self.app.target(name)
        assert isinstance(target, RepositoryTarget)
        return target

    def _meet(self, fault: Planted, name: str) -> None:
        """Let production fail until its report is stored: a busy machine may lose one."""
        with self.app.store.owner.transaction() as conn:
            project = add_project(conn, name)
        for _ in range(_TRIES):
            said = self._fail(fault, name, project)
            if title := self._told(project):
                assert title.startswith(fault.error), title
                return
        raise AssertionError(said)

    def _fail(self, fault: Planted, name: str, project: Project) -> str:
        """Let production fail once, and return what it says on standard error."""
        asked = {"requests": fault.asked, "meanwhile": fault.meanwhile}
        dsn, program = self._dsn(project), "honed.testing.hire.production"
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", program, dsn, self.database],
            cwd=self.folder / name,
            env={**environment, "NO_PROXY": "*"},
            input=json.dumps(asked).encode(),
            capture_output=True,
            check=True,
            timeout=_LONGEST_S,
        )
        return done.stderr.decode(errors="replace")

    def _told(self, project: Project) -> str:
        """Return the title of a project's only group; empty: nothing has come."""
        with self.app.parts.store.transaction() as conn:
            rows = conn.execute(
                "SELECT title FROM honed.signal_group WHERE project_id = %s", [project.project_id]
            ).fetchall()
        assert len(rows) <= 1, [row["title"] for row in rows]
        return str(rows[0]["title"]) if rows else ""

    def _dsn(self, project: Project) -> str:
        return f"http://{project.public_key}@{urlsplit(self.url).netloc}/{project.project_id}"

    def _cycle(self, name: str) -> list[Improvement]:
        report = self.app.run_cycle(name, Options(dry_run=False))
        assert report.cycle.phase in ENDED, "it was interrupted"
        assert not report.cycle.error, report.cycle.error
        for each in report.improvements:
            if each.state is State.AWAITING_APPROVAL:
                self.app.approve(each.improvement_id, each.digest)
                self.app.finish(report.cycle.cycle_id)
        return list(self.app.cycle_report(report.cycle.cycle_id).improvements)

    def _published(self, name: str) -> Change | None:
        with self.app.parts.store.transaction() as conn:
            found = changes.changes(conn, Wanted(name, tuple(ChangeState)))
        assert len(found) <= 1, [each.title for each in found]
        return found[0] if found else None

    def _is_right(self, fault: Planted, target: RepositoryTarget, change: Change) -> bool:
        """Return whether the published branch does what is right, as a sandbox tells."""
        with target.files(change.head_commit) as tree:
            side = Checkout(tree.root, {_CHECKS: fault.checks}, target.court)
            run = side.run_tests([_CHECKS])
        return bool(run.passed) and not run.broken and not run.error

    def _why_not(self, found: Sequence[Improvement], target: RepositoryTarget) -> str:
        if found:
            return "; ".join(_refusal(each) for each in found)
        made = target.searches.on(target.shape().commit)
        return next((each.reason for each in made if each.kind == _KIND), "nothing was claimed")


@contextmanager
def staged(
    app: App,
    planted: Path,
    database: str,
    folder: Path,
    lent: Mapping[str, Json] = MappingProxyType({}),
) -> Iterator[Stage]:
    """Serve honed's endpoint on the loopback while open, and hand out the stage.

    Args:
        app: honed; its settings say what it may do.

        planted: a checkout of the service.

        database: the URL of production's.

        folder: for the checkouts of people.

        lent: options of each target; ``database_to_spoil`` makes those of a database.
    """
    rules = Rules.of(app.settings)
    behind = create_app(rules, [health_router()])
    with app.pipeline() as pipeline:
        intakes = open_intakes(app.settings)
        door = Door(behind, intakes=intakes, pipeline=pipeline, rules=rules)
        with served(door) as url:
            yield Stage(app, url, planted, database, folder, lent)


def database_to_spoil(server: Server) -> dict[str, Json]:
    """Return the options of a target whose tests may do what they like with a server.

    The tests' user is another one than the server's, and has to reach its socket.
    """
    socket = server.socket_dir / f".s.PGSQL.{PORT}"
    socket.chmod(0o777)
    return {"sockets": [str(socket)], "environment": [f"HIRE_TEST_DATABASE={server.url()}"]}


def _refusal(improvement: Improvement) -> str:
    """Return what an improvement came to, with the gate that did not let it pass."""
    gates: Any = improvement.evidence.get("gates", [])
    failed = [f"{each['gate']}: {each['reason']}" for each in gates if not each["passed"]]
    said = "; ".join(failed) or improvement.error
    return f"{improvement.state.value}: {said}" if said else improvement.state.value


def _made_by(found: list[Improvement]) -> str:
    parameters: list[Mapping[str, Any]] = [each.hypothesis.parameters for each in found]
    named = (f"{each['proposer']}: {each['template']}" for each in parameters)
    return ", ".join(each.removesuffix(": ") for each in named)


def _diff(target: RepositoryTarget, change: Change) -> str:
    said = target.clone().git.text(
        "diff", "--unified=0", change.base_commit, change.head_commit, "--", "src"
    )
    lines = said.splitlines()
    return "\n".join(line for line in lines if re.match(r"[-+](?![-+])", line))


def _cpu_s() -> float:
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system
