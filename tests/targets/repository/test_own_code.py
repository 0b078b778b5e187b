"""Whatever of honed's code decides is in the digest of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from honed.targets.repository.judging import own_code
from honed.targets.repository.judging.judge import judge_digest
from honed.targets.repository.judging.own_code import code_digest


@pytest.fixture
def honed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder that is taken for honed's."""
    monkeypatch.setattr(own_code, "_HONED", tmp_path)
    code_digest.cache_clear()
    yield tmp_path
    code_digest.cache_clear()


def test_every_file_counts_that_decides_and_no_other(honed: Path) -> None:
    def digest(**texts: str) -> str:
        for name, text in texts.items():
            place = honed / name.replace("__", "/").replace("_", ".")
            place.parent.mkdir(exist_ok=True)
            place.write_text(text)
        code_digest.cache_clear()
        return code_digest("gates", "judge.py")

    first = digest(gates__size_py="LIMIT = 1", judge_py="")
    assert digest(gates__size_pyc="x", other__size_py="x") == first
    changed = {
        first,
        digest(gates__size_py="LIMIT = 2"),
        digest(judge_py="x"),
        digest(gates__more_sql="select 1"),
        digest(gates__more_sql="", gates__less_sql="select 1"),
    }
    assert len(changed) == 5
    with pytest.raises(FileNotFoundError):
        code_digest("gone")


def test_the_judge_names_places_that_are_there() -> None:
    assert len(judge_digest()) == 64
