"""The loop's events in sentences, with a bar for whatever takes a while."""

import math
import time
from collections.abc import Callable
from functools import singledispatchmethod
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from honed.core.verdict import State, Verdict
from honed.interfaces.cli.output import percent
from honed.loop import events

_COLOURS = {
    Verdict.IMPROVED: "green",
    Verdict.WORSE: "red",
    Verdict.EQUIVALENT: "yellow",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "red",
}
#: A trial's length is not known before it ends; its bar is drawn against this many pairs.
_USUAL_PAIRS = 12


class Narration:
    """Tells what happens as it happens: bars on a terminal, lines elsewhere.

    Use it as a context manager, and hand ``on_event`` to the loop.
    """

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        *,
        stamp: Callable[[], str] | None = None,
    ) -> None:
        """Tell it on ``console``.

        Args:
            console: where.

            clock: seconds that pass.

            stamp: what each line begins with; None: the seconds since now.
        """
        self._console = console
        self._stamp = stamp or self._seconds
        self._clock = clock
        self._started_s = clock()
        self._progress = Progress(
            TextColumn("        {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[said]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bars: dict[int, TaskID] = {}
        # What was told last of each bar where there is no terminal.
        self._told: dict[int, int] = {}
        #: What was said to wait, last.
        self._waiting = ""
        #: Seconds from the start to the first proven improvement; None: none yet.
        self.first_proof_s: float | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing."""
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print one line with its stamp; ``text`` may hold rich's markup."""
        stamp = escape(self._stamp())
        self._console.print(f"[dim]{stamp}[/] {text}", highlight=False, soft_wrap=True)

    def _seconds(self) -> str:
        return f"{self._clock() - self._started_s:6.1f}s"

    def title(self, text: str) -> None:
        """Print a heading."""
        self._console.print(f"\n[bold]{escape(text)}[/]", highlight=False)

    @singledispatchmethod
    def on_event(self, event: events.Event) -> None:
        """Tell one event; events without a sentence of their own are left out."""

    @on_event.register
    def _(self, event: events.FindingSeen) -> None:
        self.say(f"[cyan]finding[/] {escape(event.finding.title)}")

    @on_event.register
    def _(self, event: events.PluginFailed) -> None:
        self.say(f"[red]{escape(event.plugin)} failed[/] {escape(event.error)}")

    @on_event.register
    def _(self, event: events.LeftOut) -> None:
        self.say(f"[dim]known[/] {escape(event.hypothesis.claim)}: {escape(event.reason)}")

    @on_event.register
    def _(self, event: events.Proposed) -> None:
        claim = escape(event.hypothesis.claim)
        predicted = percent(event.hypothesis.predicted_log_ratio)
        self.say(f"[magenta]hypothesis {event.improvement_id}[/] {claim} (predicted {predicted})")

    @on_event.register
    def _(self, event: events.TrialStarted) -> None:
        self.say(f"[blue]trial {event.improvement_id}[/] on a private copy")
        self._open_bar(event.improvement_id, f"trial {event.improvement_id}", _USUAL_PAIRS)

    @on_event.register
    def _(self, event: events.TrialPair) -> None:
        said = f"{event.pairs} pairs, {interval(event.effect, event.low, event.high)}"
        self._move_bar(event.improvement_id, event.pairs, said)

    @on_event.register
    def _(self, event: events.GateChecked) -> None:
        said = "[green]passed[/]" if event.passed else "[red]stopped[/]"
        self.say(f"[blue]gate {escape(event.gate)}[/] {said} {escape(event.reason)}")

    @on_event.register
    def _(self, event: events.VerdictGiven) -> None:
        self._close_bar(event.improvement_id)
        if event.verdict is Verdict.IMPROVED and self.first_proof_s is None:
            self.first_proof_s = self._clock() - self._started_s
        colour = _COLOURS[event.verdict]
        said = f"[bold {colour}]{event.state.value.upper()}[/]"
        self.say(f"[blue]verdict {event.improvement_id}[/] {said} {escape(event.reason)}")

    @on_event.register
    def _(self, event: events.Decided) -> None:
        colour = "green" if event.state is State.APPROVED else "yellow"
        self.say(
            f"[blue]decision {event.improvement_id}[/] [{colour}]{event.state.value}[/]"
            f" {escape(event.reason)} [dim]digest {event.digest[:12]}[/]"
        )

    @on_event.register
    def _(self, event: events.StepEnded) -> None:
        description = escape(event.description)
        self.say(
            f"[blue]{event.direction} {event.improvement_id}[/] {description}"
            f" [dim]{event.outcome} in {event.duration_s:.2f} s[/]"
        )

    @on_event.register
    def _(self, event: events.Applied) -> None:
        if event.waits_for_people:
            self.say(f"[green]proposed {event.improvement_id}[/] people decide about it now")
            return
        self.say(f"[green]applied {event.improvement_id}[/] production is watched from now on")
        self._open_bar(event.improvement_id, f"watch {event.improvement_id}", _USUAL_PAIRS)

    @on_event.register
    def _(self, event: events.WatchPair) -> None:
        said = f"{event.pairs} intervals, {interval(event.effect, event.low, event.high)}"
        self._move_bar(event.improvement_id, event.pairs, said, total=event.needed)

    @on_event.register
    def _(self, event: events.Kept) -> None:
        self._close_bar(event.improvement_id)
        name = f"[bold green]KEPT {event.improvement_id}[/]"
        if event.reason:
            self.say(f"{name} {event.outcome or 'no outcome'}: {escape(event.reason)}")
            return
        outcome = event.outcome.value if event.outcome else "not exercised by production"
        self.say(f"{name} {outcome}: {percent(event.effect)} in production")

    @on_event.register
    def _(self, event: events.RolledBack) -> None:
        self._close_bar(event.improvement_id)
        self.say(f"[bold red]ROLLED BACK {event.improvement_id}[/] {escape(event.reason)}")

    @on_event.register
    def _(self, event: events.Failed) -> None:
        self._close_bar(event.improvement_id)
        self.say(f"[bold red]FAILED {event.improvement_id}[/] {escape(event.error)}")

    @on_event.register
    def _(self, event: events.ChangeMoved) -> None:
        colour = "green" if event.became == "merged" else "yellow"
        why = f": {escape(event.reason)}" * bool(event.reason)
        said = f"[{colour}]{event.became}[/] change {event.change_id}, {escape(event.title)}{why}"
        if event.became == "not merged":
            self._say_once(said)
        else:
            self.say(said)

    @on_event.register
    def _(self, event: events.Parked) -> None:
        self._say_once(f"[yellow]{event.task} waits[/] {escape(event.reason)}")

    def _say_once(self, said: str) -> None:
        """Say why something waits: it is tried again soon, and says the same each time."""
        if said != self._waiting:
            self._waiting = said
            self.say(said)

    @on_event.register
    def _(self, event: events.Dropped) -> None:
        self.say(f"[yellow]{event.task} is over[/] {escape(event.reason)}")

    @on_event.register
    def _(self, event: events.CycleEnded) -> None:
        minutes = event.next_delay_s / 60
        self.say(
            f"[dim]cycle {event.cycle_id} is over; the next would begin in {minutes:.0f} min[/]"
        )

    def _open_bar(self, key: int, description: str, total: int) -> None:
        self._close_bar(key)
        self._bars[key] = self._progress.add_task(description, total=total, said="")

    def _move_bar(self, key: int, done: int, said: str, *, total: int | None = None) -> None:
        if key in self._bars:
            total = total or max(_USUAL_PAIRS, done + 1)
            self._progress.update(self._bars[key], completed=done, total=total, said=said)
        if not self._console.is_terminal and done % 4 == 0 and self._told.get(key) != done:
            self._told[key] = done
            self.say(f"  {key}: {said}")

    def _close_bar(self, key: int) -> None:
        if key in self._bars:
            self._progress.remove_task(self._bars.pop(key))


def interval(effect: float, low: float, high: float) -> str:
    """Return an effect with its interval, as percentages: ``-37.2 % (-41.0 % to -33.1 %)``."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{percent(effect)} (no bound yet)"
    return f"{percent(effect)} ({percent(low)} to {percent(high)})"
