"""The trial of a setting: the workload of its scope, replayed with it and without it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign
from honed.errors import EvaluatorFailed
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.replay import ReplayTrial, open_arms, warm
from honed.targets.postgres.worlds import Side


class GivenSettings:
    """Worlds of one clone that differ in a session's settings only; implements ``Worlds``.

    Args:
        clone: where statements run.

        settings: of the session, by the side that it is on.

        cut_s: CPU seconds after which a statement is cut.
    """

    def __init__(
        self, clone: Clone, settings: Mapping[Side, Mapping[str, str]], *, cut_s: float
    ) -> None:
        self._settings = settings
        self._session = MeteredSession(clone, cut_s=cut_s)

    def enter(self, side: Side) -> MeteredSession:
        """Return the only session, after giving it the settings of ``side``."""
        self._session.use(self._settings[side])
        return self._session

    def close(self) -> None:
        """Close the session."""
        self._session.close()


@dataclass(frozen=True, slots=True)
class SettingsTrial:
    """Statements replayed with and without settings of their session; implements ``Trial``.

    Both worlds are one database in one backend. The roles that the steps name are not on the clone:
    what the steps give a session of theirs is given to the session that replays.
    """

    #: What is replayed, and how it is judged.
    replay: ReplayTrial
    #: The steps that were proposed, with what they give a session.
    steps: tuple[Step, ...]
    given: Mapping[str, str]
    #: What sessions of the scope have already.
    overrides: Mapping[str, str]

    @property
    def design(self) -> TrialDesign:
        """How it is run and judged."""
        return self.replay.design

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Open one session, and hand out its two worlds for measuring.

        Raises:
            EvaluatorFailed: these are not the steps that were proposed, or the server does not know
                a setting.
            DiskFull: there is no room for the clone.
        """
        if tuple(steps) != self.steps:
            msg = "the steps do not give the settings that are to be tried"
            raise EvaluatorFailed(msg)
        settings = {
            Side.BASELINE: self.overrides,
            Side.CANDIDATE: {**self.overrides, **self.given},
            Side.CONTROL: self.overrides,
        }
        with (
            self.replay.lab.clone("settings") as clone,
            closing(GivenSettings(clone, settings, cut_s=self.replay.cut_s)) as worlds,
        ):
            arms = open_arms(worlds, self.replay.statements)
            answers = warm(arms, [unit.name for unit in self.design.units])
            copied = self.replay.lab.copied()
            yield Arms(
                baseline=arms[Side.BASELINE],
                candidate=arms[Side.CANDIDATE],
                control=arms[Side.CONTROL],
                facts={
                    "given": dict(self.given),
                    "overrides": dict(self.overrides),
                    "metric_is_cpu": worlds.enter(Side.BASELINE).is_cpu,
                    "worlds": type(worlds).__name__,
                    "server_version": clone.shadow.version,
                    "cut_s": self.replay.cut_s,
                    "copy_taken_at": copied.taken_at.isoformat(),
                    "copy_fingerprint": copied.fingerprint,
                    "sampled": dict(copied.sampled),
                    **answers,
                    **self.replay.notes,
                },
                slowdown=arms[Side.BASELINE].slowdown,
            )
