"""How much slower neighbours make everything."""

import pytest

from honed.core.slowdown import Slowdown


def test_a_machine_is_idle_until_something_else_was_seen() -> None:
    assert Slowdown().factor == 1.0


def test_it_is_the_share_of_the_time_that_a_process_gets() -> None:
    slowdown = Slowdown()
    for _ in range(100):
        slowdown.saw(cpu_s=1.0, wall_s=2.0)
    assert slowdown.factor == pytest.approx(2.0, rel=0.01)


def test_it_is_bounded_so_that_a_budget_ends() -> None:
    slowdown = Slowdown()
    slowdown.saw(cpu_s=0.1, wall_s=1000.0)
    assert slowdown.factor == 3.0


def test_it_is_never_less_than_one() -> None:
    slowdown = Slowdown()
    slowdown.saw(cpu_s=8.0, wall_s=2.0)
    assert slowdown.factor == 1.0
