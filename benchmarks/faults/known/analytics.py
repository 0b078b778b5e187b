"""Analyses with arrays, optimisers and an analytical database."""

# ruff: noqa: D103, S608 - its bugs are what matters here

from collections.abc import Callable
from functools import partial

import duckdb
import numpy as np
from scipy import linalg, optimize, stats
from sklearn.cluster import KMeans
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder


def ask(sql: str, *parameters: object) -> list:
    with duckdb.connect() as database:
        database.execute("create table sale (item text, price decimal(8, 2), day date)")
        return database.execute(sql, parameters).fetchall()


def best_sellers(limit: int) -> list:
    return ask(f"select itm, sum(price) from sale group by 1 limit {limit}")


def returns(year: int) -> list:
    return ask(f"select * from refund where year(day) = {year}")


def sales_since(day: str) -> list:
    return ask("select cast(? as date) < current_date", day)


def invert(matrix: list) -> np.ndarray:
    return np.linalg.inv(np.asarray(matrix, dtype=float))


def factor(matrix: list) -> np.ndarray:
    return linalg.cholesky(np.asarray(matrix, dtype=float))


def join(*columns: list) -> np.ndarray:
    return np.concatenate([np.asarray(column) for column in columns])


def pick(values: list, index: object) -> float:
    return np.asarray(values)[index]


def root(low: float, high: float) -> float:
    return optimize.brentq(lambda x: x * x + 1.0, low, high)


def clusters(points: list, count: int) -> np.ndarray:
    return KMeans(count, n_init=1).fit(np.asarray(points, dtype=float)).labels_


def encode(known: list, new: list) -> np.ndarray:
    encoder = OneHotEncoder().fit([[item] for item in known])
    return encoder.transform([[item] for item in new])


def split(rows: int, share: float) -> list:
    return train_test_split(np.ones((rows, 1)), test_size=share)


def trend(days: list, values: list) -> float:
    return stats.linregress(days, values).slope


def dashboard(limit: int) -> dict:
    return {"best": best_sellers(limit)}


def segments(*counts: int) -> list:
    return [clusters([[1.0], [2.0], [3.0]], count) for count in counts]


FAULTS: dict[str, list[Callable[[], object]]] = {
    "best sellers name a column that is not there": [
        partial(best_sellers, 5),
        partial(dashboard, 10),
    ],
    "returns have no table": [partial(returns, 2025), partial(returns, 2026)],
    "a day is no date for the database": [
        partial(sales_since, "yesterday"),
        partial(sales_since, "2026-02-31"),
        partial(sales_since, "21.11.2026"),
    ],
    "a matrix has no inverse": [
        partial(invert, [[1, 1], [1, 1]]),
        partial(invert, [[0, 0, 0]] * 3),
    ],
    "a matrix is not square": [partial(invert, [[1, 2, 3]]), partial(invert, [[1], [2]])],
    "a matrix is not positive definite": [
        partial(factor, [[1, 2], [2, 1]]),
        partial(factor, [[4, 2, 0], [2, 1, 0], [0, 0, -1]]),
    ],
    "columns have different dimensions": [
        partial(join, [[1, 2]], [3, 4]),
        partial(join, [1], [[2]], [3]),
        partial(join, [[1]], [[2]], [[[3]]]),
    ],
    "columns have different widths": [
        partial(join, [[1, 2]], [[3]]),
        partial(join, [[1], [2]], [[3, 4, 5]]),
    ],
    "an index lies outside": [
        partial(pick, [1, 2, 3], 3),
        partial(pick, [1] * 10, -11),
        partial(pick, [[1, 2]], (0, 4)),
    ],
    "an interval has no root": [partial(root, -1.0, 1.0), partial(root, 0.0, 100.0)],
    "more clusters than points": [
        partial(clusters, [[1.0], [2.0]], 3),
        partial(segments, 2, 4),
        partial(segments, 17),
    ],
    "an item was not there when the encoder was fitted": [
        partial(encode, ["a", "b"], ["c"]),
        partial(encode, ["lamp"], ["garden table", "chair"]),
    ],
    "nothing is left to train on": [partial(split, 1, 0.5), partial(split, 1, 0.25)],
    "a trend has one day only": [
        partial(trend, [3, 3, 3], [1.0, 2.0, 4.0]),
        partial(trend, [7, 7], [1.0, 2.0]),
    ],
}
