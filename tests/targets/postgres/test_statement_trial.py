import pytest

from honed.targets.postgres.statement_trial import guardrail_floors_s
from honed.targets.postgres.workload import Workload, WorkloadStatement


def statement(name: str, *, calls: float, total_ms: float) -> WorkloadStatement:
    return WorkloadStatement(
        statement_id=name,
        text=f"SELECT {name}",
        examples=(f"SELECT {name}",),
        calls=calls,
        total_ms=total_ms,
        weight=0.5,
        is_select=True,
        blocks_per_call=1.0,
    )


def workload(*statements: WorkloadStatement) -> Workload:
    return Workload(statements, writes={}, skipped={}, start=None, end=None)


def test_what_a_guardrail_lets_pass_adds_up_to_a_thousandth_of_the_load() -> None:
    hot = statement("hot", calls=1_000_000.0, total_ms=100_000.0)
    floors_s = guardrail_floors_s(workload(hot, statement("report", calls=10.0, total_ms=900_000)))
    tenth_of_floor_s = 0.1 * floors_s["hot"]
    assert tenth_of_floor_s * hot.calls == pytest.approx(0.001 * 1000.0)


def test_a_rare_statement_may_become_dearer_by_a_tenth_of_a_millisecond_at_most() -> None:
    rare = statement("rare", calls=1.0, total_ms=0.1)
    floors_s = guardrail_floors_s(workload(rare, statement("report", calls=10.0, total_ms=1e6)))
    assert floors_s == {"rare": 1e-3, "report": 1e-3}


def test_a_statement_of_which_no_call_ended_has_a_floor_too() -> None:
    assert guardrail_floors_s(workload(statement("endless", calls=0.0, total_ms=5.0)))
