"""The aftermath of a change says one thing only, and a score only of what is well."""

import pytest

from honed.core.aftermath import Aftermath, Standing


def test_a_score_is_of_what_is_well() -> None:
    assert Aftermath(Standing.WELL, "gone", 0.5).score == 0.5
    for standing, score in [(Standing.WAITING, 0.5), (Standing.HARMED, 0.0), (Standing.WELL, 1.1)]:
        with pytest.raises(ValueError, match="0 to 1"):
            Aftermath(standing, "odd", score)
