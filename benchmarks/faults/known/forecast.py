"""Forecasts from tables that are not as a model wants them."""

# ruff: noqa: D103 - its bugs are what matters here

from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor


def train(model: object, features: list, targets: list) -> object:
    table = np.asarray(features, dtype=float)
    return model.fit(table, np.asarray(targets, dtype=float))


def predict(model: object, features: list) -> np.ndarray:
    return model.predict(np.asarray(features, dtype=float))


def season(weeks: list, weights: list) -> np.ndarray:
    return np.asarray(weeks) * np.asarray(weights)


def retrain(*rows: tuple) -> object:
    return train(Ridge(), [row[:-1] for row in rows], [row[-1] for row in rows])


def backtest(model: object, features: list, targets: list, horizon: int) -> np.ndarray:
    fitted = train(model, features[:-horizon], targets)
    return predict(fitted, features[-horizon:])


def tomorrow(model: object, today: list) -> float:
    return float(predict(model, [today])[0])


def in_year(length: int) -> np.ndarray:
    return season([[1.0] * 7] * length, [0.5] * (length + 1))


def widths(models: list, features: list) -> list:
    scaler = StandardScaler().fit(np.ones((3, 2)))
    return [scaler.transform(features) for _ in models]


NAN = float("nan")

FAULTS: dict[str, list[Callable[[], object]]] = {
    "training data have gaps": [
        partial(retrain, (1.0, NAN, 3.0), (1.0, 2.0, 3.0)),
        partial(train, LinearRegression(), [[1.0], [NAN], [3.0]], [1.0, 2.0, 3.0]),
        partial(train, KNeighborsRegressor(), [[NAN], [2.0]], [1.0, 2.0]),
        partial(backtest, Ridge(), [[NAN], [2.0], [3.0]], [1.0, 2.0], 1),
    ],
    "features and targets differ in length": [
        partial(train, LinearRegression(), [[1.0], [2.0]], [1.0]),
        partial(backtest, Ridge(), [[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], 2),
        partial(backtest, Ridge(), [[1.0]] * 12, [1.0] * 12, 3),
    ],
    "predicts before it is trained": [
        partial(predict, Ridge(), [[1.0]]),
        partial(tomorrow, LinearRegression(), [1.0, 2.0]),
        partial(tomorrow, DecisionTreeRegressor(), [3.0]),
        partial(predict, KNeighborsRegressor(), [[3.0], [4.0]]),
    ],
    "weeks and weights differ in length": [
        partial(season, [1.0, 2.0, 3.0], [1.0, 2.0]),
        partial(in_year, 52),
        partial(in_year, 104),
        partial(season, [[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0, 3.0]),
    ],
    "a table has columns that were not trained": [
        partial(widths, ["a"], [[1.0, 2.0, 3.0]]),
        partial(widths, ["a", "b"], [[1.0], [2.0]]),
        partial(widths, ["a"], [[1.0, 2.0, 3.0, 4.0]]),
    ],
}
