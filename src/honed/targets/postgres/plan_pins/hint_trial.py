"""The trial of hints: statements replayed with them and without, on a clone that obeys hints."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from psycopg import sql

from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign
from honed.errors import EvaluatorFailed
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.metering import MeteredSession, Run
from honed.targets.postgres.plan_pins.hints import hinted
from honed.targets.postgres.replay import ReplayTrial, open_arms, warm
from honed.targets.postgres.shadow import OWNER
from honed.targets.postgres.worlds import Side

_OBEY = sql.SQL("ALTER DATABASE {} SET session_preload_libraries = 'pg_hint_plan'")
_FORGET = sql.SQL("ALTER DATABASE {} RESET session_preload_libraries")


def obey_hints(clone: Clone) -> None:
    """Let every later session on ``clone`` obey hints in comments; those that are open end.

    Raises:
        EvaluatorFailed: the server cannot load pg_hint_plan; the clone is as it was.
    """
    shadow, database = clone.shadow, sql.Identifier(clone.database)
    with shadow.errors("letting a clone obey hints"):
        shadow.session.execute(_OBEY.format(database))
    clone.close()
    try:
        clone.session(OWNER)
    except EvaluatorFailed:
        with shadow.errors("letting a clone be as it was"):
            shadow.session.execute(_FORGET.format(database))
        raise


class HintedSession(MeteredSession):
    """A metered session on a clone that obeys hints, which gives statements some."""

    #: By statement; others run as they are.
    hints: Mapping[str, str] = {}

    def run(self, statement: str, *, cut_s: float | None = None, reads: bool = False) -> Run:
        """Run ``statement`` once with its hints; see ``MeteredSession``."""
        text = hinted(statement, self.hints.get(statement, ""))
        return super().run(text, cut_s=cut_s, reads=reads)


class GivenHints:
    """Worlds of one clone that differ in hints only; implements ``Worlds``.

    Args:
        clone: where statements run; it obeys hints.

        hints: by statement, by the side that it is on.

        settings: of the session on every side.

        cut_s: CPU seconds after which a statement is cut.
    """

    def __init__(
        self,
        clone: Clone,
        hints: Mapping[Side, Mapping[str, str]],
        settings: Mapping[str, str],
        *,
        cut_s: float,
    ) -> None:
        self._hints = hints
        self._session = HintedSession(clone, cut_s=cut_s)
        self._session.use(settings)

    def enter(self, side: Side) -> MeteredSession:
        """Return the only session, after giving it the hints of ``side``."""
        self._session.hints = self._hints[side]
        return self._session

    def close(self) -> None:
        """Close the session."""
        self._session.close()


@dataclass(frozen=True, slots=True)
class HintTrial:
    """Statements replayed with and without hints; implements ``Trial``.

    Both worlds are one database in one backend. The table of hints finds a statement by an
    identifier that a replay does not have, for parameters are values there: so what the steps write
    into the table stands in a comment before the statement, which says the same to the planner.
    """

    #: What is replayed, and how it is judged.
    replay: ReplayTrial
    #: The steps that were proposed.
    steps: tuple[Step, ...]
    #: Hints by statement id, without the steps and with them.
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
                load pg_hint_plan.
            DiskFull: there is no room for the clone.
        """
        if tuple(steps) != self.steps:
            msg = "the steps do not give the hints that are to be tried"
            raise EvaluatorFailed(msg)
        before, after = self._by_example(self.before), self._by_example(self.after)
        hints = {Side.BASELINE: before, Side.CANDIDATE: after, Side.CONTROL: before}
        cut_s = self.replay.cut_s
        with self.replay.lab.clone("hints") as clone:
            obey_hints(clone)
            with closing(GivenHints(clone, hints, self.overrides, cut_s=cut_s)) as worlds:
                arms = open_arms(worlds, self.replay.statements)
                answers = warm(arms, [unit.name for unit in self.design.units])
                copied = self.replay.lab.copied()
                yield Arms(
                    baseline=arms[Side.BASELINE],
                    candidate=arms[Side.CANDIDATE],
                    control=arms[Side.CONTROL],
                    facts={
                        "hints_before": dict(self.before),
                        "hints_after": dict(self.after),
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
                )

    def _by_example(self, hints: Mapping[str, str]) -> dict[str, str]:
        return {
            example: hints[each.name]
            for each in self.replay.statements
            if each.name in hints
            for example in each.examples
        }
