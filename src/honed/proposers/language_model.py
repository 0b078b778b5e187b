"""A change that a language model proposes, where one is named in the settings.

## What it does

It shows the model what is known of the failing tests: their texts, what they said, the functions
that they run, the files that may be changed, and what other proposers came to. The answer is the
whole new text of one of these files. It is laid over the commit, and the tests are run; where they
fail, the model is told so and asked again, twice at most.

## Why it helps

What needs new logic no template and no history repairs.

## Risk and rollback

A model can be talked into things by what it is shown: texts of exceptions, tests and code are
fenced as data, and whatever it answers only files that it was shown are changed, never tests. What
is seen to newly reach files, processes, networks or Python's insides is refused; reading does not
see every way there. Everything else is checked by the same gates as every change. What it may cost
is reserved before it is asked.

## How it is measured

By the tests: they pass with the change, and none that passed before is lost.
"""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Final

from honed.config import LlmMode, LlmProvider
from honed.core.canonical import Json
from honed.core.change import CodeChange, FileChange
from honed.core.gate import TestRun
from honed.errors import (
    AnswerRefused,
    BudgetExceeded,
    ConfigurationError,
    LanguageModelError,
    ModelUnavailable,
    StoreUnavailable,
)
from honed.forge.quoting import plain
from honed.llm.change import ProposedChange
from honed.llm.client import Client, open_model
from honed.llm.evidence import Evidence
from honed.llm.model import Budget, Message, Role
from honed.llm.prompt import render
from honed.llm.reach import new_reach
from honed.llm.spending import Work
from honed.signals.scrubbing import open_scrubber
from honed.targets.repository.evidence.sighted import Sighted, sighted, texts_of_tests
from honed.targets.repository.judging.judge import Checkout, CodeJudge
from honed.targets.repository.judging.mend import installed_gates, judged, may_change
from honed.targets.repository.judging.proposer import Bench, Proposed, Proposer, Trouble

#: How often it is asked for one trouble.
_MOST_ROUNDS: Final = 3
#: Characters of files that are shown whole, of all and of one. Code has some three a token, and an
#: answer is one file.
_MOST_SHOWN: Final = 36_000
_LARGEST_FILE: Final = 24_000
_CHARACTERS_PER_TOKEN: Final = 2
_TOKENS_BESIDE: Final = 1_500
#: Characters of what is told of a change that did not do.
_LONGEST_OUTCOME: Final = 4_000
_LONGEST_IMPACT: Final = 400
#: Tests that are shown, and named.
_MOST_TESTS: Final = 5
_NAMED: Final = 3
#: What differs each time says nothing, and would make each prompt another one.
_ADDRESS: Final = re.compile(r"\b0x[0-9a-f]{4,}\b")


class LanguageModel(Proposer):
    """See the module's docstring."""

    name: ClassVar[str] = "language_model"
    order: ClassVar[int] = 90

    def propose(self, trouble: Trouble, bench: Bench) -> Proposed:
        """Return the change that the model proposes, if the tests pass with it; see ``Proposer``.

        A model that does not answer, or a budget without room, is a reason for no change.
        """
        try:
            client = _client(bench)
            if isinstance(client, str):
                return Proposed(why_none=client)
            return _Conversation(trouble, bench, client).held()
        except (BudgetExceeded, ModelUnavailable, ConfigurationError, StoreUnavailable) as error:
            return Proposed(why_none=str(error), is_for_now=True)
        except LanguageModelError as error:
            return Proposed(why_none=str(error))


def _client(bench: Bench) -> Client | str:
    """Return the model that the settings name, or why there is none to ask.

    Raises:
        ConfigurationError: they name it wrongly, or the key is not there.
        StoreUnavailable: the store does not answer.
    """
    settings = bench.settings
    if settings.llm_provider is LlmProvider.NONE and settings.llm_mode is not LlmMode.REPLAY:
        return "no language model is named (llm_provider)"
    if bench.store is None:
        return "there is no store, without which no budget of a language model holds"
    with bench.store.transaction() as conn:
        scrubber = open_scrubber(conn, settings.key_file)
    return open_model(settings, bench.store, scrubber) or "no language model is named"


@dataclass(frozen=True)
class _Failed:
    """An answer that does not do."""

    #: Why, with what tests said.
    why: str
    answer: ProposedChange | None = None


@dataclass
class _Conversation:
    """One trouble, told to a model."""

    trouble: Trouble
    bench: Bench
    client: Client
    asked: int = 0
    cost_usd: float = 0.0
    #: The conversation as far as it went.
    messages: list[Message] = field(default_factory=list)

    def held(self) -> Proposed:
        """Return what came of it.

        Raises:
            LanguageModelError: the model cannot be asked, or not any more.
        """
        if not self.files:
            return Proposed(why_none="the tests run no file that could be shown and changed")
        self.messages = self._beginning()
        failed = _Failed("it was not asked")
        with self._reserved() as (budget, rounds):
            for number in range(rounds):
                came = self._answered(replace(budget, is_tail=number > 0))
                if isinstance(came, CodeChange):
                    return Proposed((came,), examined=self._examined())
                failed = came
                self.messages = [*self._beginning(), *self._again(failed)]
        words = plain(failed.why, _LONGEST_IMPACT)
        said = f"{self.client.model} was asked {self.asked} times; of its last change: {words}"
        return Proposed(why_none=said, examined=self._examined())

    @cached_property
    def files(self) -> dict[str, str]:
        """The files that the model may change, with their texts."""
        shown: dict[str, str] = {}
        for path, text in self._sighted.files.items():
            room = _MOST_SHOWN - sum(map(len, shown.values()))
            if len(text) > min(room, _LARGEST_FILE):
                continue
            if may_change(FileChange(path, text, f"{text}\n"), self._base):
                shown[path] = text
        return shown

    @cached_property
    def _base(self) -> Checkout:
        return Checkout(self.trouble.folder, dict(self.trouble.added), self.bench.court)

    @cached_property
    def _red(self) -> TestRun:
        """The failing tests on the commit, with the lines that they run."""
        return self._base.run_tests(self.trouble.failing, lines=True)

    @cached_property
    def _sighted(self) -> Sighted:
        return sighted(self._base, self._red)

    @cached_property
    def _suite(self) -> TestRun:
        """All tests on the commit."""
        return self._base.run_tests()

    @cached_property
    def _most_output_tokens(self) -> int:
        longest = max(map(len, self.files.values()))
        return longest // _CHARACTERS_PER_TOKEN + _TOKENS_BESIDE

    def _beginning(self) -> list[Message]:
        """Return what the model is shown first."""
        failing = self.trouble.failing[:_MOST_TESTS]
        said = {**self.trouble.messages, **self._red.messages}
        around = self._sighted
        evidence = Evidence(
            fault=self.trouble.fault,
            sources=self.files,
            failing_test="\n\n".join(texts_of_tests(self._base, failing)),
            output="\n\n".join(f"{test}\n{said.get(test, '')}" for test in failing),
            functions={
                f"{each.path}: {each.name}": around.text(each)
                for each in around.functions
                if each.path not in self.files
            },
            tried=self.trouble.tried,
        )
        shown: Json = {**self.files}
        return render(
            "repair", self.client.scrubber, evidence=_steady(evidence.plain()), files=shown
        )

    def _again(self, failed: _Failed) -> list[Message]:
        """Return what the model is told of an answer that does not do."""
        answer = failed.answer
        proposed: Json = (
            {"target_file": answer.target_file, "code": answer.code} if answer else "nothing"
        )
        outcome = _steady(failed.why[-_LONGEST_OUTCOME:])
        scrubber = self.client.scrubber
        return render("repair_again", scrubber, proposed=proposed, outcome=outcome)

    @contextmanager
    def _reserved(self) -> Iterator[tuple[Budget, int]]:
        """Reserve what asking costs at most, with asking again as its tail; hand out how often.

        Where there is not room for all rounds, fewer are asked.

        Raises:
            BudgetExceeded: there is not even room for one.
            PriceUnknown: what it costs is not known.
        """
        tokens = self._most_output_tokens
        first = self.client.most_usd(self.messages, ProposedChange, tokens)
        # No later round shows more than this: the answer before, and what came of it.
        more = "x" * (max(map(len, self.files.values())) * 2 + 2 * _LONGEST_OUTCOME)
        longest = [*self.messages, Message(Role.USER, more)]
        again = self.client.most_usd(longest, ProposedChange, tokens)
        with ExitStack() as stack:
            for rounds in range(_MOST_ROUNDS, 0, -1):
                tail = again * (rounds - 1)
                work = Work("repair", first, tail, ticket_id=self.trouble.ticket_id)
                try:
                    budget = stack.enter_context(self.client.reserve(work))
                except BudgetExceeded:
                    if rounds == 1:
                        raise
                    continue
                yield replace(budget, most_output_tokens=tokens), rounds
                return

    def _answered(self, budget: Budget) -> CodeChange | _Failed:
        """Ask once, and return a change with which the tests pass, or what is wrong with it."""
        self.asked += 1
        try:
            answer = self.client.complete(self.messages, ProposedChange, budget)
        except AnswerRefused as error:
            self.cost_usd = math.nan
            return _Failed(str(error))
        # A cost that is not known makes the sum unknown.
        self.cost_usd += math.nan if answer.cost_usd is None else answer.cost_usd
        try:
            shown = {path: text.replace("\r\n", "\n") for path, text in self.files.items()}
            proposed = answer.value.restored(shown, self.client.scrubber)
        except AnswerRefused as error:
            return _Failed(str(error), answer.value)
        change = self._change(proposed)
        why = self._refusal(proposed, change) or self._red_tests(change)
        if why:
            return _Failed(why, answer.value)
        return replace(change, doubt=self._doubt(proposed))

    def _doubt(self, proposed: ProposedChange) -> str:
        """Return why a change with which all tests pass may still be wrong."""
        if proposed.risk_level == "high":
            return "the model itself calls it risky"
        # Of what no other change was compared with, a test has to say what is right.
        files = {test.partition("::")[0] for test in self.trouble.failing}
        if files <= self.trouble.added.keys():
            return "a model proposed it, and no test that a person has written says what is right"
        return ""

    def _change(self, proposed: ProposedChange) -> CodeChange:
        path, code = proposed.target_file, proposed.code
        before = self.files.get(path)
        if before is not None and before.endswith("\n") and not code.endswith("\n"):
            code += "\n"
        if before is not None and "\r\n" in before and "\r" not in code:
            # Models end lines as most people do; then all others of the file would be new.
            code = code.replace("\n", "\r\n")
        request = self.client.request(self.messages, ProposedChange, self._most_output_tokens)
        return CodeChange(
            base_commit=self.trouble.commit,
            files=(FileChange(path, before, code), *self.trouble.new_files),
            repairs=self.trouble.failing,
            message=_message(proposed, self.trouble.failing, self.client.model),
            prompt="\n\n".join(each.text for each in request.messages),
            made_by=f"language_model: {self.client.model}",
        )

    def _refusal(self, proposed: ProposedChange, change: CodeChange) -> str:
        """Return why a change is not even tried; empty: it is."""
        file = change.files[0]
        if file.before is None or file.after is None:
            return "target_file is none of the files that were shown"
        if file.before == file.after:
            return "it changes nothing"
        packages = {path.removeprefix("src/").split("/")[0] for path in self._base.paths()}
        modules = {each.removesuffix(".py") for each in packages}
        if reached := new_reach(file.before, file.after, modules):
            return f"it newly reaches for {', '.join(reached)}, which only a person may do"
        try:
            proposed.path_in(self.trouble.folder)
            judge = CodeJudge.of(self.trouble.folder, change, self.bench.court)
        except (AnswerRefused, ConfigurationError) as error:
            return str(error)
        gates = installed_gates(reading=True).values()
        results = judged(change, judge, gates, self.bench.settings)
        return next((f"{each.gate}: {each.reason}" for each in results if not each.passed), "")

    def _red_tests(self, change: CodeChange) -> str:
        """Return what tests say against a change, its own first; empty: nothing."""
        patched = CodeJudge.of(self.trouble.folder, change, self.bench.court).patched
        failing = self.trouble.failing
        run = patched.run_tests(failing)
        if run.error or not set(failing) <= run.passed:
            return _words("these tests still fail", sorted(set(failing) - run.passed), run)
        whole = patched.run_tests()
        lost = sorted(self._suite.passed - whole.passed)
        if whole.error or lost:
            return _words("these tests passed before", lost, whole)
        return ""

    def _examined(self) -> dict[str, float]:
        return {"asked": float(self.asked), "cost_usd": self.cost_usd}


def _words(what: str, tests: Sequence[str], run: TestRun) -> str:
    said = "\n".join(f"{each}\n{run.messages.get(each, '')}" for each in tests[:_NAMED])
    return f"{what}: {', '.join(tests[:_MOST_TESTS])} {run.error}\n{said}".strip()


def _message(proposed: ProposedChange, failing: tuple[str, ...], model: str) -> str:
    named = ", ".join(failing[:_NAMED])
    more = f" and {len(failing) - _NAMED} more" if len(failing) > _NAMED else ""
    return (
        f"Repair {proposed.target_file}\n\n"
        f"Without this change these tests fail: {named}{more}.\n"
        f"The language model {plain(model)} proposed it, in its words: "
        f"{plain(proposed.impact, _LONGEST_IMPACT)}"
    )


def _steady(value: Json) -> Json:
    """Return JSON without what differs in each run: addresses in memory."""
    if isinstance(value, str):
        return _ADDRESS.sub("0x0", value)
    if isinstance(value, dict):
        return {name: _steady(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_steady(each) for each in value]
    return value
