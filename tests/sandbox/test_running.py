"""A program in a box answers, or it is told why it did not."""

import sys
from pathlib import Path
from uuid import uuid4

import pytest

from honed.errors import SandboxEnded, SandboxFailed
from honed.sandbox import running as starting
from honed.sandbox.box import Box, Limits
from honed.sandbox.probe import _is_left
from honed.sandbox.run import run, start

PYTHON = str(Path(sys.executable))
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


def program(source: str) -> list[str]:
    return [PYTHON, "-I", "-c", source]


def test_what_is_asked_is_answered(box: Box) -> None:
    with start(box, program(ECHO)) as running:
        for question in ({"line": "a\nb"}, [1, None], "x" * 500_000):
            assert running.ask(question) == question
        assert running.finish().is_success


def test_what_a_program_reads_is_given_to_it(box: Box) -> None:
    text = b"x" * 3_000_000
    counted = run(box, program("import sys; print(len(sys.stdin.read()))"), stdin=text)
    assert int(counted.out) == len(text)


def test_a_program_that_does_not_read_ends_all_the_same(box: Box) -> None:
    assert run(box, program("pass"), stdin=b"x" * 3_000_000).is_success


@pytest.mark.parametrize(
    ("source", "ended_by"),
    [
        ("raise SystemExit(3)", "exit"),
        ("import os; os.abort()", "signal"),
        ("print('{')", "output"),
        ("print('[' * 100_000)", "output"),
        ("print('x' * 9_000_000)", "output"),
        ("while True: pass", "cpu"),
        ("import time; time.sleep(60)", "wall"),
    ],
)
def test_who_does_not_answer_is_dead_and_told_why(box: Box, source: str, ended_by: str) -> None:
    limits = Limits(cpu_s=1.0, wall_s=1.0 if ended_by == "wall" else 60.0)
    with start(box, program(source), limits=limits) as running:
        with pytest.raises(SandboxEnded) as caught:
            running.ask("anything")
        assert caught.value.ended_by == ended_by
        with pytest.raises(SandboxEnded):
            running.ask("again")


def test_a_question_has_a_time_of_its_own(box: Box) -> None:
    with (
        start(box, program("import time; time.sleep(60)")) as running,
        pytest.raises(SandboxEnded, match="wall"),
    ):
        running.ask("anything", timeout_s=0.2)


def test_last_words_are_in_the_message(box: Box) -> None:
    with (
        start(box, program("raise SystemExit('there is no such module')")) as running,
        pytest.raises(SandboxEnded, match="there is no such module"),
    ):
        running.ask("anything")


def test_a_box_that_cannot_be_made_is_no_program_that_failed(box: Box) -> None:
    odd = Box(box.python, folder="/there/is/none")
    with pytest.raises(SandboxFailed, match="/there/is/none"):
        run(odd, program("pass"))


def test_a_program_that_is_not_there_fails_as_a_shell_says_it(box: Box) -> None:
    ended = run(box, ["there-is-none"])
    assert (ended.code, ended.ended_by) == (127, "exit")


@pytest.mark.parametrize(
    ("argument", "why"),
    [("x" * (4 << 20), "too long"), ("a\0b", "null byte"), ("\ud800", "encode")],
)
def test_arguments_that_no_program_can_have_are_named(box: Box, argument: str, why: str) -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(SandboxFailed, match=why) as caught:
        run(box, [*program("pass"), argument])
    assert "stdin" in caught.value.hint
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_guard_that_cannot_start_leaves_nothing(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise BlockingIOError

    mark = uuid4().hex
    monkeypatch.setattr(starting, "Guard", fail)
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(BlockingIOError):
        start(box, [*program("import time; time.sleep(60)"), mark])
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert not _is_left(mark)
