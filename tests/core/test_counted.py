import pytest

from honed.core.counted import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (1200.0, "1200 lines")]
)
def test_one_is_told_from_many(number: float, said: str) -> None:
    assert counted(number, "line") == said


def test_what_has_another_plural_says_so() -> None:
    assert counted(1, "test passes", "tests pass") == "1 test passes"
    assert counted(3, "test passes", "tests pass") == "3 tests pass"
