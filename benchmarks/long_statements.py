"""Long statements on TPC-H, as reports have them: more than a hundred lines each, all different.

Each is put together from blocks by a seeded choice: common table expressions, also recursive ones,
set operations, window functions and correlated subqueries, with constants of its own. The same
seed makes the same statements.
"""
# ruff: noqa: S608 - these texts are the workload; nobody else's words are in them

import random
from collections.abc import Callable

_SEGMENTS = ("AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY")
_MODES = ("AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK")
_REGIONS = ("AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST")
_LEAST_LINES = 100
_MOST_BLOCKS = 8


def long_statements(count: int, *, seed: int = 20261121) -> list[str]:
    """Return ``count`` different SELECT statements of at least a hundred lines each."""
    chance = random.Random(seed)  # noqa: S311 - a benchmark's choice, not a secret
    return [_statement(chance, number) for number in range(count)]


def _statement(chance: random.Random, number: int) -> str:
    blocks = list(_BLOCKS)
    chance.shuffle(blocks)
    parts: list[tuple[str, str]] = []
    while len(parts) < _MOST_BLOCKS:
        make = blocks[len(parts) % len(blocks)]
        name = f"{make.__name__.strip('_')}_{len(parts)}"
        parts.append((name, make(chance, name)))
        text = _whole(parts, chance.choice(_COMBINATIONS), number)
        if len(text.splitlines()) >= _LEAST_LINES:
            return text
    return text


def _whole(parts: list[tuple[str, str]], combination: str, number: int) -> str:
    operator = f"\n{combination}\n"
    summaries = operator.join(_summary(name) for name, _ in parts)
    return f"""-- report {number}
WITH RECURSIVE
{",".join(text for _, text in parts)},
united AS (
{summaries}
),
ranked AS (
    SELECT
        u.origin,
        u.id,
        u.amount,
        rank() OVER (
            PARTITION BY u.origin
            ORDER BY u.amount DESC
        ) AS place,
        sum(u.amount) OVER (
            PARTITION BY u.origin
            ORDER BY u.id
            ROWS BETWEEN 3 PRECEDING AND CURRENT ROW
        ) AS moving
    FROM united u
)
SELECT
    r.origin,
    r.id,
    r.amount,
    r.place,
    r.moving,
    r.amount / nullif((
        SELECT max(other.amount)
        FROM ranked other
        WHERE other.origin = r.origin
    ), 0) AS of_best
FROM ranked r
WHERE r.place <= {10 + number}
ORDER BY
    r.origin,
    r.place
LIMIT {100 + number}"""


def _summary(name: str) -> str:
    return f"""    SELECT
        '{name}' AS origin,
        id,
        amount
    FROM {name}"""


def _day(chance: random.Random) -> str:
    return f"date '{chance.randint(1992, 1997)}-{chance.randint(1, 12):02}-01'"


def _revenue(chance: random.Random, name: str) -> str:
    day = _day(chance)
    return f"""
{name} AS (
    SELECT
        o.o_custkey AS id,
        sum(l.l_extendedprice * (1 - l.l_discount)) AS amount
    FROM orders o
    JOIN lineitem l
        ON l.l_orderkey = o.o_orderkey
    WHERE o.o_orderdate >= {day}
        AND o.o_orderdate < {day} + interval '{chance.randint(1, 9)} weeks'
        AND l.l_shipmode IN ('{chance.choice(_MODES)}', '{chance.choice(_MODES)}')
    GROUP BY o.o_custkey
    HAVING sum(l.l_quantity) > {chance.randint(5, 90)}
)"""


def _latest(chance: random.Random, name: str) -> str:
    return f"""
{name} AS (
    SELECT
        numbered.o_custkey AS id,
        numbered.o_totalprice AS amount
    FROM (
        SELECT
            o.o_custkey,
            o.o_totalprice,
            row_number() OVER (
                PARTITION BY o.o_custkey
                ORDER BY o.o_orderdate DESC
            ) AS position,
            lag(o.o_totalprice) OVER (
                PARTITION BY o.o_custkey
                ORDER BY o.o_orderdate
            ) AS previous
        FROM orders o
        JOIN customer c
            ON c.c_custkey = o.o_custkey
        WHERE c.c_mktsegment = '{chance.choice(_SEGMENTS)}'
            AND c.c_acctbal > {chance.randint(5000, 9900)}
    ) numbered
    WHERE numbered.position = 1
        AND numbered.o_totalprice > coalesce(numbered.previous, 0)
)"""


def _dear(chance: random.Random, name: str) -> str:
    return f"""
{name} AS (
    SELECT
        p.p_partkey AS id,
        p.p_retailprice AS amount
    FROM part p
    WHERE p.p_size = {chance.randint(1, 50)}
        AND p.p_retailprice > (
            SELECT avg(same.p_retailprice)
            FROM part same
            WHERE same.p_brand = p.p_brand
                AND same.p_container = p.p_container
        )
        AND EXISTS (
            SELECT 1
            FROM lineitem l
            WHERE l.l_partkey = p.p_partkey
                AND l.l_quantity > {chance.randint(20, 49)}
        )
)"""


def _supply(chance: random.Random, name: str) -> str:
    return f"""
{name} AS (
    SELECT
        s.s_suppkey AS id,
        sum(ps.ps_supplycost * ps.ps_availqty) AS amount
    FROM supplier s
    JOIN partsupp ps
        ON ps.ps_suppkey = s.s_suppkey
    JOIN nation n
        ON n.n_nationkey = s.s_nationkey
    JOIN region r
        ON r.r_regionkey = n.n_regionkey
    WHERE r.r_name = '{chance.choice(_REGIONS)}'
        AND ps.ps_supplycost = (
            SELECT min(least.ps_supplycost)
            FROM partsupp least
            WHERE least.ps_partkey = ps.ps_partkey
        )
        AND ps.ps_availqty < {chance.randint(100, 9000)}
    GROUP BY s.s_suppkey
)"""


def _silent(chance: random.Random, name: str) -> str:
    day = _day(chance)
    codes = ", ".join(f"'{chance.randint(10, 34)}'" for _ in range(2))
    return f"""
{name} AS (
    SELECT
        c.c_custkey AS id,
        c.c_acctbal AS amount
    FROM customer c
    WHERE substring(c.c_phone FROM 1 FOR 2) IN ({codes})
        AND NOT EXISTS (
            SELECT 1
            FROM orders o
            WHERE o.o_custkey = c.c_custkey
                AND o.o_orderdate >= {day}
        )
    EXCEPT
    SELECT
        c.c_custkey,
        c.c_acctbal
    FROM customer c
    WHERE c.c_acctbal < {chance.randint(-900, 900)}
)"""


def _months(chance: random.Random, name: str) -> str:
    day = _day(chance)
    return f"""
{name}_calendar (month) AS (
    SELECT {day}
    UNION ALL
    SELECT (month + interval '1 month')::date
    FROM {name}_calendar
    WHERE month < {day} + interval '{chance.randint(3, 11)} months'
),
{name} AS (
    SELECT
        extract(month FROM m.month)::integer AS id,
        sum(l.l_extendedprice) AS amount
    FROM {name}_calendar m
    LEFT JOIN lineitem l
        ON l.l_shipdate >= m.month
        AND l.l_shipdate < m.month + interval '1 month'
        AND l.l_returnflag = '{chance.choice("ANR")}'
    GROUP BY m.month
)"""


def _shared(chance: random.Random, name: str) -> str:
    return f"""
{name} AS (
    SELECT
        common.id,
        count(*)::numeric AS amount
    FROM (
        SELECT l.l_partkey AS id
        FROM lineitem l
        WHERE l.l_commitdate < l.l_receiptdate
            AND l.l_shipdate = {_day(chance)} + {chance.randint(0, 27)}
        INTERSECT ALL
        SELECT ps.ps_partkey
        FROM partsupp ps
        WHERE ps.ps_availqty > {chance.randint(10, 9000)}
    ) common
    GROUP BY common.id
)"""


def _late(chance: random.Random, name: str) -> str:
    return f"""
{name} AS (
    SELECT
        s.s_suppkey AS id,
        count(*)::numeric AS amount
    FROM supplier s
    JOIN lineitem l
        ON l.l_suppkey = s.s_suppkey
    JOIN orders o
        ON o.o_orderkey = l.l_orderkey
    WHERE o.o_orderstatus = 'F'
        AND o.o_orderdate = {_day(chance)} + {chance.randint(0, 27)}
        AND l.l_receiptdate > l.l_commitdate
        AND NOT EXISTS (
            SELECT 1
            FROM lineitem other
            WHERE other.l_orderkey = l.l_orderkey
                AND other.l_suppkey <> l.l_suppkey
                AND other.l_receiptdate > other.l_commitdate
        )
    GROUP BY s.s_suppkey
)"""


_COMBINATIONS = ("UNION ALL", "UNION")
_BLOCKS: tuple[Callable[[random.Random, str], str], ...] = (
    _revenue,
    _latest,
    _dear,
    _supply,
    _silent,
    _months,
    _shared,
    _late,
)
