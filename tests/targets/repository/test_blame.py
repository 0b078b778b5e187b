"""Who wrote lines, and which commit made something bad."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.targets.repository.git import blame
from honed.targets.repository.git.blame import Writer, cause, writers
from honed.targets.repository.git.clone import Clone
from honed.testing.repositories import Checkout


def by(name: str) -> dict[str, str]:
    return {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": f"{name}@example.org"}


def test_writers_of_lines_are_told_most_lines_first(checkout: Checkout, clone: Clone) -> None:
    checkout.commit({"a.py": b"one\ntwo\nthree\nfour\n"}, by("ada"))
    checkout.commit({"a.py": b"one\n2\n3\nfour\n"}, by("bob"))
    clone.fetch()
    ada, bob = (Writer(name, f"{name}@example.org", 2) for name in ("ada", "bob"))
    assert writers(clone, "main", "a.py", ()) == (ada, bob)
    assert writers(clone, "main", "a.py", [(1, 1), (3, 3)]) == (
        Writer("ada", "ada@example.org", 1),
        Writer("bob", "bob@example.org", 1),
    )
    assert writers(clone, "main", "a.py", [(2, 3)]) == (bob,)
    (found,) = writers(clone, "main", "a.py", [(2, 2)])
    assert found.commit == clone.commit("main")


def test_a_line_of_a_file_does_not_speak_for_git(checkout: Checkout, clone: Clone) -> None:
    checkout.commit({"a.py": b"one\x0cauthor eve\x0cauthor-mail <eve@example.org>\n"}, by("ada"))
    clone.fetch()
    assert writers(clone, "main", "a.py", ()) == (Writer("ada", "ada@example.org", 1),)


def test_the_cause_of_a_fault_is_found(checkout: Checkout, clone: Clone) -> None:
    commits = [checkout.commit({"a.txt": str(number).encode()}) for number in range(20)]
    clone.fetch()

    def is_good(commit: str) -> bool:
        return int(clone.read(commit, "a.txt") or b"") < 13

    found = cause(clone, commits[0], "main", is_good)
    assert (found.commit, found.suspects) == (commits[13], (commits[13],))
    assert found.judged <= 5


def test_a_merge_counts_as_one_commit(checkout: Checkout, clone: Clone) -> None:
    start = checkout.commit({"a.txt": b"good"})
    checkout.git("checkout", "--quiet", "-b", "side")
    checkout.commit({"b.txt": b"1"})
    checkout.commit({"a.txt": b"bad"})
    checkout.git("checkout", "--quiet", "main")
    checkout.commit({"c.txt": b"1"})
    checkout.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
    merge = checkout.git("rev-parse", "HEAD")
    checkout.commit({"d.txt": b"1"})
    clone.fetch()
    found = cause(clone, start, "main", lambda commit: clone.read(commit, "a.txt") == b"good")
    assert found.commit == merge


def test_what_is_not_before_is_refused(checkout: Checkout, clone: Clone) -> None:
    first = checkout.commit({"a.txt": b"1"})
    second = checkout.commit({"a.txt": b"2"})
    clone.fetch()
    for good, bad in ((second, first), (first, first)):
        with pytest.raises(ValueError, match="not before"):
            cause(clone, good, bad, lambda _commit: True)


@given(
    length=st.integers(1, 60),
    data=st.data(),
)
def test_the_cause_is_always_among_the_suspects(length: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, length - 1))
    unclear = data.draw(st.sets(st.integers(0, length - 1)))
    line = [str(number) for number in range(length)]

    def is_good(commit: str) -> bool | None:
        assert int(commit) != length - 1
        return None if int(commit) in unclear else int(commit) < culprit

    found = blame.search(line, is_good)
    assert str(culprit) in found.suspects
    assert found.commit == found.suspects[-1]
    assert all(int(suspect) in unclear for suspect in found.suspects[:-1])
    if not unclear:
        assert found.suspects == (str(culprit),)
        assert found.judged <= length.bit_length()
