"""The trial of words to the planner: statements replayed with them and without, on one clone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from psycopg import sql

from honed.core.slowdown import Slowdown
from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign
from honed.errors import EvaluatorFailed
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.metering import MeteredSession, Run
from honed.targets.postgres.plan_pins.manner import Manner
from honed.targets.postgres.replay import ReplayTrial, open_arms, warm
from honed.targets.postgres.shadow import OWNER
from honed.targets.postgres.worlds import Side

_OBEY = sql.SQL("ALTER DATABASE {} SET session_preload_libraries = {}")
_FORGET = sql.SQL("ALTER DATABASE {} RESET session_preload_libraries")


def obey(clone: Clone, manner: Manner) -> None:
    """Let every later session on ``clone`` obey words of ``manner``; those that are open end.

    Raises:
        EvaluatorFailed: the server cannot load the library; the clone is as it was.
    """
    shadow, database = clone.shadow, sql.Identifier(clone.database)
    with shadow.errors("letting a clone obey words to the planner"):
        shadow.session.execute(_OBEY.format(database, sql.Literal(manner.library)))
    clone.close()
    try:
        clone.session(OWNER)
    except EvaluatorFailed:
        with shadow.errors("letting a clone be as it was"):
            shadow.session.execute(_FORGET.format(database))
        raise


class GuidedSession(MeteredSession):
    """A metered session on a clone that obeys words to the planner, and gives statements some.

    Args:
        clone: where statements run.

        manner: how the session is told.

        settings: of the session.

        cut_s: CPU seconds after which a statement is cut.
    """

    def __init__(
        self, clone: Clone, manner: Manner, settings: Mapping[str, str], *, cut_s: float
    ) -> None:
        super().__init__(clone, cut_s=cut_s)
        self._manner = manner
        self._settings = settings
        #: By statement; others run as they are.
        self.words: Mapping[str, str] = {}

    def run(self, statement: str, *, cut_s: float | None = None, reads: bool = False) -> Run:
        """Run ``statement`` once with its words; see ``MeteredSession``."""
        words = self.words.get(statement, "")
        self.use({**self._settings, **self._manner.settings(words)})
        return super().run(self._manner.text(statement, words), cut_s=cut_s, reads=reads)


class GivenWords:
    """Worlds of one session that differ in words to the planner only; implements ``Worlds``.

    Args:
        session: on a clone that obeys them.

        words: by statement, by the side that it is on.
    """

    def __init__(self, session: GuidedSession, words: Mapping[Side, Mapping[str, str]]) -> None:
        self._session = session
        self._words = words
        self.slowdown = Slowdown()

    def enter(self, side: Side) -> MeteredSession:
        """Return the only session, after giving it the words of ``side``."""
        self._session.words = self._words[side]
        return self._session

    def close(self) -> None:
        """Close the session."""
        self._session.close()


@dataclass(frozen=True, slots=True)
class GuidedTrial:
    """Statements replayed with and without words to the planner; implements ``Trial``.

    Both worlds are one database in one backend. What the steps keep for a statement by its
    identifier, the session is told as ``Manner`` does.
    """

    #: What is replayed, and how it is judged.
    replay: ReplayTrial
    #: How sessions are told.
    manner: Manner
    #: The steps that were proposed.
    steps: tuple[Step, ...]
    #: Words by statement id, without the steps and with them.
    before: Mapping[str, str]
    after: Mapping[str, str]
    #: Settings that sessions which run the statements have.
    overrides: Mapping[str, str]

    @property
    def design(self) -> TrialDesign:
        """How it is run and judged."""
        return self.replay.design

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Open one session, and hand out its two worlds for measuring.

        Raises:
            EvaluatorFailed: these are not the steps that were proposed, or the lab's server cannot
                load the library.
            DiskFull: there is no room for the clone.
        """
        if tuple(steps) != self.steps:
            msg = "the steps do not give the words that are to be tried"
            raise EvaluatorFailed(msg)
        before, after = self._by_example(self.before), self._by_example(self.after)
        words = {Side.BASELINE: before, Side.CANDIDATE: after, Side.CONTROL: before}
        noun, cut_s = self.manner.noun, self.replay.cut_s
        with self.replay.lab.clone(noun) as clone:
            obey(clone, self.manner)
            session = GuidedSession(clone, self.manner, self.overrides, cut_s=cut_s)
            with closing(GivenWords(session, words)) as worlds:
                arms = open_arms(worlds, self.replay.statements)
                answers = warm(arms, [unit.name for unit in self.design.units])
                copied = self.replay.lab.copied()
                yield Arms(
                    baseline=arms[Side.BASELINE],
                    candidate=arms[Side.CANDIDATE],
                    control=arms[Side.CONTROL],
                    facts={
                        f"{noun}_before": dict(self.before),
                        f"{noun}_after": dict(self.after),
                        "overrides": dict(self.overrides),
                        "metric_is_cpu": worlds.enter(Side.BASELINE).is_cpu,
                        "worlds": type(worlds).__name__,
                        "server_version": clone.shadow.version,
                        "cut_s": cut_s,
                        "copy_taken_at": copied.taken_at.isoformat(),
                        "copy_fingerprint": copied.fingerprint,
                        "sampled": dict(copied.sampled),
                        **answers,
                        **self.replay.notes,
                    },
                    slowdown=arms[Side.BASELINE].slowdown,
                )

    def _by_example(self, words: Mapping[str, str]) -> dict[str, str]:
        return {
            example: words[each.name]
            for each in self.replay.statements
            if each.name in words
            for example in each.examples
        }
