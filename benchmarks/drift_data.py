"""Data that does not drift, and ways in which it does; for ``benchmarks.drift``."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

Draw = Callable[[np.random.Generator, int], pa.Table]
Change = Callable[[np.random.Generator, pa.Table], pa.Table]
A_REQUEST = 50
"""Rows of a request in ``batches``."""


def synthetic(rng: np.random.Generator, rows: int) -> pa.Table:
    """Twenty columns: normal, skewed, long-tailed, categories, whole numbers, and an answer."""
    values = rng.normal(size=(rows, 12))
    columns: dict[str, Any] = {f"input.n{place}": values[:, place] for place in range(12)}
    columns |= {f"input.s{place}": rng.lognormal(size=rows) for place in range(2)}
    columns["input.tail"] = rng.standard_t(2, size=rows)
    columns["input.kind"] = rng.choice(list("abcde"), rows, p=[0.6, 0.2, 0.1, 0.07, 0.03])
    columns["input.place"] = rng.zipf(1.3, rows).clip(0, 10_000).astype(str)
    columns["input.doors"] = rng.integers(2, 6, rows)
    columns["input.gap"] = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows))
    columns["input.gap"] = pa.array(columns["input.gap"], from_pandas=True)
    columns["output.label"] = (values[:, 0] + rng.normal(size=rows) > 0).astype(int)
    return pa.table(columns)


def batches(rng: np.random.Generator, rows: int) -> pa.Table:
    """Twenty normal columns; the rows of a request have half of their variance in common."""
    of = np.repeat(np.arange(rows // A_REQUEST), A_REQUEST)
    middle = rng.normal(size=(rows // A_REQUEST, 20))[of] * np.sqrt(0.5)
    values = middle + rng.normal(size=(rows, 20)) * np.sqrt(0.5)
    columns = {f"input.n{place}": column for place, column in enumerate(values.T)}
    return pa.table({"id": [f"r{one}" for one in of], **columns})


def alone(rng: np.random.Generator, rows: int) -> pa.Table:
    """What ``batches`` has, each row a request of its own."""
    return pa.table({f"input.n{place}": rng.normal(size=rows) for place in range(20)})


@cache
def real() -> Mapping[str, np.ndarray]:
    """Return data sets that scikit-learn carries; the digits are the data of five projects."""
    from sklearn import datasets

    return {
        "breast cancer": datasets.load_breast_cancer().data,
        "wine": datasets.load_wine().data,
        "diabetes": datasets.load_diabetes().data,
        "iris": datasets.load_iris().data,
        "digits (pixels)": datasets.load_digits().data,
        "digits (mean, deviation)": figures(datasets.load_digits().data),
    }


def figures(pixels: np.ndarray) -> np.ndarray:
    """Return what the prediction log keeps of pictures."""
    parts = [pixels.mean(axis=1), pixels.std(axis=1), pixels.min(axis=1), pixels.max(axis=1)]
    return np.stack(parts, axis=1)


@cache
def split() -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Return data sets in two parts that differ by themselves: nobody moved a value.

    By what is no column any more; of wine 60 % are of the first kind, where a third was.
    """
    from sklearn import datasets

    found = datasets.load_diabetes()
    people, sex, age = found.data, found.data[:, 1] > 0, found.data[:, 0] > 0
    wine, kind = datasets.load_wine(return_X_y=True)
    pixels = datasets.load_digits().data
    half = len(pixels) // 2
    first = wine[kind == 0]
    return {
        "diabetes, women and men": (people[~sex][:, 2:], people[sex][:, 2:]),
        "diabetes, young and old": (people[~age][:, 1:], people[age][:, 1:]),
        "wine, more of one kind": (wine, np.concatenate((wine, *[first] * 2))),
        "digits, other writers (pixels)": (pixels[:half], pixels[half:]),
        "digits, other writers (mean, deviation)": (figures(pixels[:half]), figures(pixels[half:])),
    }


def _table(values: np.ndarray) -> pa.Table:
    columns = values.astype(float).T
    return pa.table({f"input.c{place}": column for place, column in enumerate(columns)})


def resampled(data: np.ndarray) -> Draw:
    """Return rows drawn from a data set with replacement.

    The data set stands for all there could be: two halves of so few rows differ by themselves.
    """

    def draw(rng: np.random.Generator, rows: int) -> pa.Table:
        return _table(data[rng.integers(0, len(data), rows)])

    return draw


def halves(rng: np.random.Generator, data: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """Return the rows of a data set in two halves: no row is drawn twice, none is in both."""
    order, half = rng.permutation(len(data)), len(data) // 2
    return _table(data[order[:half]]), _table(data[order[half:]])


@cache
def _words(name: str) -> tuple[str, ...]:
    from sklearn import datasets

    return tuple(getattr(datasets, f"load_{name}")().DESCR.split())


def texts(name: str) -> Draw:
    """Return pieces of a text that scikit-learn carries: a data set's description."""

    def draw(rng: np.random.Generator, rows: int) -> pa.Table:
        words = _words(name)
        begins, lengths = rng.integers(0, len(words) - 25, rows), rng.integers(5, 25, rows)
        said = [" ".join(words[b : b + n]) for b, n in zip(begins, lengths, strict=True)]
        return pa.table({"input.text": said})

    return draw


# Changes


def _of_columns(names: tuple[str, ...], new: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(_: np.random.Generator, table: pa.Table) -> pa.Table:
        for name in names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, [pa.array(new(table[name].to_numpy()))])
        return table

    return change


def moved(data: np.ndarray, by: float, columns: int = 3) -> Change:
    """Move the most varied columns of a data set by so many of its standard deviations."""
    order = np.argsort(-np.array([len(np.unique(column)) for column in data.T]))[:columns]
    spread = data.std(axis=0)

    def change(rng: np.random.Generator, table: pa.Table) -> pa.Table:
        for place in order:
            one = _of_columns((f"input.c{place}",), lambda x, p=place: x + by * spread[p])
            table = one(rng, table)
        return table

    return change


def shifted(by: float) -> Change:
    """Move three of the columns of ``synthetic`` by so many standard deviations."""
    return _of_columns(("input.n0", "input.n1", "input.n2"), lambda x: x + by)


def scaled(by: float) -> Change:
    """Spread three of them so many times as wide."""
    return _of_columns(("input.n0", "input.n1", "input.n2"), lambda x: x * by)


def mixed(by: float) -> Change:
    """Make so large a share of all rows another category: of the commonest the third."""

    def change(rng: np.random.Generator, table: pa.Table) -> pa.Table:
        odds = rng.random(len(table)) < by / 0.6
        one = _of_columns(("input.kind",), lambda x: np.where((x == "a") & odds, "c", x))
        return one(rng, table)

    return change


def emptied(share: float) -> Change:
    """Leave out such a share of the values of three columns."""

    def change(rng: np.random.Generator, table: pa.Table) -> pa.Table:
        for name in ("input.n0", "input.n1", "input.n2"):
            gone = rng.random(len(table)) < share
            values = pa.array(table[name].to_numpy(), mask=gone)
            table = table.set_column(table.column_names.index(name), name, [values])
        return table

    return change
