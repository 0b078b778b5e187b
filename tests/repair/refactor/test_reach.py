"""Which lines of the file before a change is about, and how much of them ran."""

from honed.core.change import FileChange
from honed.repair.refactor.reach import replaced, runnable, share_reached

BEFORE = '''"""A module."""

# A comment.
LIMIT = (
    3
)


def work(n):
    """Do it."""
    if n > LIMIT:
        return 1
    return 2
'''


def test_comments_and_blank_lines_do_not_run() -> None:
    lines = runnable("a.py", BEFORE)
    assert {1, 4, 9, 11, 12, 13} <= lines
    assert lines.isdisjoint({2, 3, 7, 8})


def test_what_is_gone_counts_as_it_was_before() -> None:
    after = BEFORE.replace("        return 1\n", "        return n\n").replace("# A comment.\n", "")
    file = FileChange("a.py", BEFORE, after)
    assert replaced(file) == {12}
    assert share_reached(file, frozenset({9, 11, 13})) == 0
    assert share_reached(file, frozenset({12})) == 1
    added = FileChange("a.py", BEFORE, BEFORE + "\n\nMORE = 1\n")
    assert share_reached(added, frozenset()) == 1
