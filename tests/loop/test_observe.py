"""What a look at a target finds, and how long a finding stays open."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from honed.core.detector import Detector
from honed.core.finding import ANOMALY, Finding, FindingType
from honed.core.target import Series
from honed.loop.cycle import Options, Phase
from honed.loop.events import FindingSeen, Parked, PluginFailed
from honed.loop.observe import MIN_POINTS, anomaly_findings, detect
from honed.storage.db import Connection
from honed.testing.pets import PetShop

START = datetime(2026, 1, 1, tzinfo=UTC)


class Large(Detector):
    """Finds values above a threshold unusual."""

    name: ClassVar[str] = "large"
    threshold: ClassVar[float] = 10.0

    def scores(self, values: Sequence[float]) -> NDArray[np.float64]:
        return np.asarray(values, dtype=np.float64)


class Small(Large):
    """Finds values below a threshold unusual."""

    name: ClassVar[str] = "small"

    def scores(self, values: Sequence[float]) -> NDArray[np.float64]:
        return 20.0 - np.asarray(values, dtype=np.float64)


class Broken(Large):
    """Raises."""

    name: ClassVar[str] = "broken"

    def scores(self, values: Sequence[float]) -> NDArray[np.float64]:
        msg = "no"
        raise ZeroDivisionError(msg)


def series(*values: float, subject: str = "q1", metric: str = "exec_ms_per_call") -> Series:
    padded = (*[1.0] * (MIN_POINTS - len(values)), *values)
    times = tuple(START + timedelta(minutes=n) for n in range(len(padded)))
    return Series(subject, metric, times, padded)


def test_each_subject_with_unusual_points_is_one_finding() -> None:
    one, other = series(20.0, 30.0), series(40.0, metric="rows")
    third = replace(series(50.0, subject="q2"), label="SELECT 1", weight=0.2)
    anomalies, failures = detect({"large": Large()}, [one, other, third, series(2.0)])
    findings = anomaly_findings(anomalies)
    assert failures == {}
    assert [finding.type for finding in findings] == [ANOMALY, ANOMALY]
    assert [finding.subject for finding in findings] == ["q1", "q2"]
    assert findings[0].evidence["metrics"] == ["exec_ms_per_call", "rows"]
    assert findings[0].evidence["points"] == 3
    assert findings[0].evidence["highest_scores"] == {"large": 40.0}
    assert (findings[1].title, findings[1].weight) == ("unusually dear 1 times: SELECT 1", 0.2)


def test_what_is_unusually_cheap_or_costs_next_to_nothing_is_no_trouble() -> None:
    cheap = series(*[30.0] * (MIN_POINTS - 1))
    assert detect({"small": Small()}, [cheap]) == ([], {})
    rare = replace(series(20.0), weight=0.0005)
    assert detect({"large": Large()}, [rare]) == ([], {})


def test_value_on_the_threshold_is_usual() -> None:
    assert detect({"large": Large()}, [series(10.0)]) == ([], {})


def test_point_that_two_detectors_see_is_counted_once() -> None:
    found, _ = detect({"a": Large(), "b": Large()}, [series(20.0)])
    (finding,) = anomaly_findings(found)
    assert finding.evidence["points"] == 1
    assert finding.evidence["detectors"] == ["a", "b"]


def test_detector_that_raises_costs_only_itself() -> None:
    anomalies, failures = detect({"broken": Broken(), "large": Large()}, [series(20.0)])
    assert [anomaly.detector for anomaly in anomalies] == ["large"]
    assert failures == {"broken": "broken raised ZeroDivisionError: no"}


def test_nothing_is_unusual_before_there_is_a_usual() -> None:
    short = series(20.0)
    short = Series(short.subject, short.metric, short.times[1:], short.values[1:])
    assert detect({"large": Large()}, [short]) == ([], {})


def findings(shop: PetShop) -> list[dict[str, Any]]:
    with shop.store.transaction() as conn:
        return conn.execute(
            "SELECT subject, times_seen, closed_at IS NULL AS is_open FROM honed.finding"
            " WHERE type = 'slow_statement' ORDER BY weight DESC, finding_id"
        ).fetchall()


def test_fact_that_is_seen_again_is_one_finding_and_one_that_is_gone_is_closed(
    pet_shop: PetShop,
) -> None:
    pet_shop.kind.claims = ()
    pet_shop.turn(Options())
    pet_shop.turn(Options())
    seen = findings(pet_shop)
    assert (seen[0]["times_seen"], seen[0]["is_open"]) == (2, True)
    with pet_shop.store.transaction() as conn:
        conn.execute("DELETE FROM honed.reading")
    pet_shop.ask(Options())
    pet_shop.work()
    assert not any(finding["is_open"] for finding in findings(pet_shop))


def test_findings_are_told_as_they_are_stored(pet_shop: PetShop) -> None:
    pet_shop.turn(Options())
    told = [event.finding for event in pet_shop.events if isinstance(event, FindingSeen)]
    assert told
    assert all(finding.finding_id > 0 for finding in told)


def test_what_a_kind_finds_by_itself_is_stored_with_the_rest(pet_shop: PetShop) -> None:
    pet_shop.kind.facts = [Finding(FindingType("odd_pet"), "rex", "rex is odd", weight=0.5)]
    pet_shop.turn(Options())
    told = [event.finding for event in pet_shop.events if isinstance(event, FindingSeen)]
    assert [each.subject for each in told if each.type == "odd_pet" and each.finding_id] == ["rex"]


def test_a_kind_that_cannot_look_costs_only_itself(pet_shop: PetShop) -> None:
    pet_shop.kind.facts = None
    pet_shop.turn(Options())
    assert [e.error for e in pet_shop.events if isinstance(e, PluginFailed)] == [
        "pets raised ValueError: it cannot see"
    ]
    assert findings(pet_shop)


def test_target_is_not_looked_at_while_another_cycle_is_at_work(pet_shop: PetShop) -> None:
    pet_shop.read(3)
    with pet_shop.store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.cycle (target_id, phase)"
            " SELECT target_id, 'acting' FROM honed.target"
        )
    cycle_id = pet_shop.ask(Options())
    pet_shop.work()
    assert pet_shop.cycle(cycle_id).phase is Phase.WAITING
    assert [event.reason for event in pet_shop.events if isinstance(event, Parked)]
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.cycle SET phase = 'learning' WHERE phase = 'acting'")
    pet_shop.work_until(lambda: pet_shop.cycle(cycle_id).phase is Phase.FINISHED)


def everything_a_viewer_reads(conn: Connection) -> dict[str, str]:
    """Return the rows of every table and view that the role of viewers may read, as text."""
    names = conn.execute(
        "SELECT format('%I.%I', schemaname, relname) AS name FROM ("
        " SELECT schemaname, tablename FROM pg_tables UNION ALL"
        " SELECT schemaname, viewname FROM pg_views) AS r (schemaname, relname)"
        " WHERE schemaname = 'honed'"
        " AND has_table_privilege('honed_viewer', format('%I.%I', schemaname, relname), 'SELECT')"
    ).fetchall()
    conn.execute("SET LOCAL ROLE honed_viewer")
    read = sql.SQL("SELECT t::text FROM {} AS t")
    return {
        row["name"]: str(conn.execute(read.format(sql.SQL(row["name"]))).fetchall())
        for row in names
    }


def test_no_value_of_production_is_readable_by_viewers(pet_shop: PetShop) -> None:
    client = pet_shop.production.client
    client.execute("CREATE ROLE geheim_user PASSWORD 'geheim'")
    client.execute("DROP ROLE geheim_user")
    client.execute("SELECT pet_id FROM pet WHERE name < 'geheim' AND owner <> 471147 /* geheim */")
    pet_shop.turn()
    with pet_shop.store.transaction() as conn:
        row = conn.execute("SELECT count(*) AS n FROM honed.statement_example").fetchone()
        read = everything_a_viewer_reads(conn)
    assert row is not None
    assert row["n"] > 0
    assert "honed.statement_example" not in read
    assert "pet" in read["honed.statement_plan"]
    assert "$1" in read["honed.finding"]
    leaks = [name for name, rows in read.items() if "geheim" in rows or "471147" in rows]
    assert leaks == []
