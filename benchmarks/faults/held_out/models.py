"""Matrices, samples and models in production."""

# ruff: noqa: D103 - its bugs are what matters here

from collections.abc import Callable
from functools import partial

import joblib
import narwhals as nw
import numpy as np
from scipy import interpolate, sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler


def classifier(**parameters: object) -> LogisticRegression:
    model = LogisticRegression(**parameters)
    return model.fit([[0.0], [1.0]], [0, 1])


def classify(labels: list) -> RandomForestClassifier:
    return RandomForestClassifier(2).fit([[float(n)] for n in range(len(labels))], labels)


def separate(labels: list) -> LogisticRegression:
    return LogisticRegression().fit([[float(n)] for n in range(len(labels))], labels)


def scored(rows: list) -> np.ndarray:
    model = make_pipeline(MinMaxScaler(), LogisticRegression())
    model.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    return model.predict(rows)


def scores(*batches: list) -> list:
    return [scored(batch) for batch in batches]


def reshaped(values: list, rows: int, columns: int) -> np.ndarray:
    return np.array(values).reshape(rows, columns)


def product(left: list, right: list) -> np.ndarray:
    return np.array(left) @ np.array(right)


def table(rows: list) -> np.ndarray:
    return np.array(rows, dtype=float)


def typed(name: str) -> np.ndarray:
    return np.zeros(3, dtype=name)


def overflowing(value: int) -> np.ndarray:
    return np.array([value], dtype=np.uint8)


def between(x: list, y: list, at: float) -> float:
    return float(interpolate.interp1d(x, y)(at))


def stacked(*shapes: tuple) -> sparse.spmatrix:
    return sparse.hstack([sparse.csr_matrix(shape) for shape in shapes])


def square(value: float) -> float:
    return value**2 / (value - abs(value))


def parallel(values: list) -> list:
    return joblib.Parallel(n_jobs=2, prefer="threads")(joblib.delayed(square)(v) for v in values)


def restored(path: str) -> object:
    return joblib.load(path)


def mean_of(frame: object) -> object:
    return nw.from_native(frame).mean()


def sampled(population: int, size: int) -> np.ndarray:
    return np.random.default_rng(1).choice(population, size, replace=False)


def month(values: list, days: int) -> np.ndarray:
    return reshaped(values, 4, days)


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a model has an invalid parameter": [
        partial(classifier, C=-1.0),
        partial(classifier, max_iter="many"),
        partial(classifier, solver="fast"),
    ],
    "a model has an unknown parameter": [
        partial(classifier, depth=3),
        partial(classifier, learning_rate=0.1),
    ],
    "a model is trained on one class": [partial(separate, [1, 1]), partial(separate, [0] * 17)],
    "a forest is trained on nothing": [partial(classify, []), partial(classify, [])],
    "labels are amounts": [partial(separate, [0.5, 1.5]), partial(separate, [1.25, 2.5, 3.75])],
    "a batch has other columns": [
        partial(scored, [[1.0]]),
        partial(scores, [[0.0, 1.0]], [[1.0, 2.0, 3.0]]),
    ],
    "a batch is no table": [partial(scored, [1.0, 2.0]), partial(scores, [0.5])],
    "a batch is empty": [partial(scored, np.empty((0, 2))), partial(scores, np.empty((0, 2)))],
    "a month does not fill its table": [
        partial(reshaped, [1, 2, 3], 2, 2),
        partial(month, [1] * 30, 7),
    ],
    "matrices do not fit": [
        partial(product, [[1, 2]], [[1, 2]]),
        partial(product, [[1], [2]], [[1], [2], [3]]),
    ],
    "rows have different lengths": [partial(table, [[1, 2], [3]]), partial(table, [[1], [2, 3]])],
    "a cell is no number": [partial(table, [["a"]]), partial(table, [[1, "n/a"], [2, 3]])],
    "a type is unknown": [partial(typed, "flaot64"), partial(typed, "money")],
    "a value is too large": [partial(overflowing, 256), partial(overflowing, -1)],
    "a value lies outside the curve": [
        partial(between, [0, 1], [0, 1], 2.0),
        partial(between, [0, 1, 2], [0, 1, 4], -17.5),
    ],
    "a curve has more places than values": [
        partial(between, [0, 1], [0], 0.5),
        partial(between, [0, 1, 2], [0, 1], 0.5),
    ],
    "blocks differ in height": [
        partial(stacked, (2, 2), (3, 2)),
        partial(stacked, (1, 1), (1, 4), (4, 1)),
    ],
    "a positive value is squared": [partial(square, 3.0), partial(parallel, [-1.0, 2.0])],
    "a model is not on the disk": [
        partial(restored, "/var/shop/model-17.joblib"),
        partial(restored, "forest.pkl"),
    ],
    "a frame is no frame": [
        partial(mean_of, [1, 2]),
        partial(mean_of, "table"),
        partial(mean_of, 3),
    ],
    "a sample is larger than all": [partial(sampled, 3, 4), partial(sampled, 10, 17)],
}
