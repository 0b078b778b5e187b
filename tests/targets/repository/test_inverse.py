"""A commit is undone on the files of today, and nothing else is."""

from pathlib import Path

import pytest

from honed.core.change import FileChange
from honed.targets.repository.git.clone import Clone, open_clone
from honed.targets.repository.git.inverse import Inverse, inverse
from honed.testing.repositories import Checkout

#: Far enough apart that changes of one do not touch the others.
LINES = [f"line_{number} = {number}" for number in range(40)]


def text(**changed: str) -> str:
    lines = {f"line_{number}": line for number, line in enumerate(LINES)} | changed
    return "\n".join(lines.values()) + "\n"


def is_source(file: FileChange) -> bool:
    return file.path.endswith(".py") and not file.path.startswith("tests/")


def undone(clone: Clone, commit: str) -> Inverse:
    clone.fetch()
    return inverse(clone, commit, "main", is_source)


def test_a_commit_is_undone_and_what_came_later_stays(checkout: Checkout, clone: Clone) -> None:
    checkout.commit({"a.py": text().encode()})
    bad = checkout.commit({"a.py": text(line_20="bad = 1").encode()})
    today = text(line_20="bad = 1", line_0="new = 0", line_39="new = 39")
    checkout.commit({"a.py": today.encode(), "b.py": b"more = 1\n"})
    found = undone(clone, bad)
    after = text(line_0="new = 0", line_39="new = 39")
    assert found == Inverse((FileChange("a.py", today, after),))
    assert undone(clone, bad) == found, "it is the same each time"


def test_a_file_is_undone_where_it_was_moved_to(checkout: Checkout, clone: Clone) -> None:
    checkout.commit({"a.py": text().encode()})
    bad = checkout.commit({"a.py": text(line_20="bad = 1").encode()})
    checkout.git("mv", "a.py", "moved.py")
    checkout.commit({})
    (change,) = undone(clone, bad).files
    assert (change.path, change.after) == ("moved.py", text())


def test_what_others_have_changed_since_is_a_conflict(checkout: Checkout, clone: Clone) -> None:
    checkout.commit({"a.py": text().encode()})
    bad = checkout.commit({"a.py": text(line_20="bad = 1").encode()})
    checkout.commit({"a.py": text(line_20="bad = 2").encode()})
    assert undone(clone, bad) == Inverse(conflicts=("a.py",))


@pytest.mark.parametrize("path", ["history.py", "shop/changes.py", "docs/news.py"])
def test_code_that_is_called_as_a_changelog_is_a_conflict_as_other_code(
    checkout: Checkout, clone: Clone, path: str
) -> None:
    checkout.commit({path: text().encode()})
    bad = checkout.commit({path: text(line_20="bad = 1").encode()})
    checkout.commit({path: text(line_20="bad = 2").encode()})
    assert undone(clone, bad) == Inverse(conflicts=(path,))


def test_what_may_not_be_changed_stays(checkout: Checkout, clone: Clone) -> None:
    checkout.commit({"a.py": text().encode()})
    with_it = {
        "a.py": text(line_20="bad = 1").encode(),
        "new.py": b"new = 1\n",
        "tests/test_a.py": b"def test(): ...\n",
        "setup.cfg": b"[x]\n",
        "picture.py": b"\xff\xfe\0",
    }
    bad = checkout.commit(with_it)
    found = undone(clone, bad)
    assert [(each.path, each.after) for each in found.files] == [("a.py", text()), ("new.py", None)]
    assert found.left == ("picture.py", "setup.cfg", "tests/test_a.py")


def test_modes_links_and_submodules_stay(checkout: Checkout, clone: Clone) -> None:
    first = checkout.commit({"a.py": text().encode(), "b.py": b"b = 1\n"})
    (checkout.folder / "a.py").write_text(text(line_20="bad = 1"))
    (checkout.folder / "a.py").chmod(0o755)
    (checkout.folder / "b.py").unlink()
    (checkout.folder / "b.py").symlink_to("a.py")
    checkout.git("add", "--all")
    checkout.git("update-index", "--add", "--cacheinfo", f"160000,{first},sub.py")
    checkout.git("commit", "--quiet", "-m", "odd")
    bad = checkout.git("rev-parse", "HEAD")
    assert undone(clone, bad) == Inverse(left=("a.py", "b.py", "sub.py"))


def test_of_a_merge_the_whole_side_is_undone(checkout: Checkout, clone: Clone) -> None:
    checkout.commit({"a.py": text().encode()})
    checkout.git("checkout", "--quiet", "-b", "side")
    checkout.commit({"a.py": text(line_20="bad = 1").encode()})
    checkout.commit({"a.py": text(line_20="bad = 1", line_30="bad = 2").encode()})
    checkout.git("checkout", "--quiet", "main")
    checkout.commit({"b.py": b"b = 1\n"})
    checkout.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
    found = undone(clone, checkout.git("rev-parse", "HEAD"))
    assert [(each.path, each.after) for each in found.files] == [("a.py", text())]


def test_what_is_undone_already_is_nothing(checkout: Checkout, clone: Clone) -> None:
    checkout.commit({"a.py": text().encode()})
    bad = checkout.commit({"a.py": text(line_20="bad = 1").encode()})
    checkout.commit({"a.py": text().encode()})
    assert undone(clone, bad) == Inverse()


def test_what_a_commit_added_is_gone_where_ids_are_of_sha_256(tmp_path: Path) -> None:
    person = Checkout(tmp_path / "person256", "sha256")
    person.commit({"a.py": b"a = 1\n"})
    bad = person.commit({"b.py": b"b = 1\n"})
    found = undone(open_clone(str(person.folder), tmp_path / "clone256"), bad)
    assert found == Inverse((FileChange("b.py", "b = 1\n", None),))
