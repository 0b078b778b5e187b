"""What commits changed is read as git has it, whatever files and messages are called."""

from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.history import past
from honed.testing.repositories import Checkout


def test_commits_are_told_oldest_first_with_both_sides_of_their_files(
    checkout: Checkout, clone: Clone
) -> None:
    odd = 'a "b\n\tc.py'
    first = checkout.commit({odd: b"1", "b.py": b"1"})
    second = checkout.commit({odd: b"2", "commit x.py": b"1"})
    message = "Fix\n\ncommit 0000\n\n:100644 100644 a b M\n"
    checkout.git("commit", "--amend", "--quiet", "--cleanup=verbatim", "-m", message)
    second = checkout.git("rev-parse", "HEAD")
    (checkout.folder / "b.py").unlink()
    (checkout.folder / "link.py").symlink_to("b.py")
    third = checkout.commit({})
    clone.fetch()
    one, two, three = past(clone, third, most=10)
    assert [each.commit for each in (one, two, three)] == [first, second, third]
    assert two.message.rstrip() == message.rstrip()
    zeros = "0" * 40
    assert [(each.path, each.before == zeros) for each in two.files] == [
        (odd, False),
        ("commit x.py", True),
    ]
    assert [(each.path, each.after) for each in three.files] == [("b.py", zeros)]
    blobs = [two.files[0].before, zeros, two.files[0].after]
    assert list(clone.contents(blobs, 10)) == [b"1", None, b"2"]
    assert list(clone.contents([], 10)) == []


def test_the_newest_are_told_that_are_not_known(checkout: Checkout, clone: Clone) -> None:
    commits = [checkout.commit({"a.py": str(number).encode()}) for number in range(5)]
    clone.fetch()
    assert [each.commit for each in past(clone, commits[-1], most=2)] == commits[3:]
    assert [each.commit for each in past(clone, commits[-1], commits[1], most=9)] == commits[2:]
    assert past(clone, commits[-1], commits[-1], most=9) == []
    assert [each.commit for each in past(clone, commits[-1], "1" * 40, most=9)] == commits


def test_what_is_too_large_is_not_read(checkout: Checkout, clone: Clone) -> None:
    head = checkout.commit({"a.py": b"12345", "b.py": b"123"})
    clone.fetch()
    (only,) = past(clone, head, most=1)
    assert list(clone.contents([each.after for each in only.files], 4)) == [None, b"123"]
