"""The measures of how right answers are, by name: of what they are, and which way is better.

Of classes: ``accuracy`` is the share of right answers; ``precision``, ``recall`` and ``f1`` are the
means of their figures by class, each class for as much (macro). Of figures: ``mae`` and ``rmse``
are the mean absolute and the root mean squared error, ``bias`` the mean of answer − label.
"""

from collections.abc import Mapping
from typing import Literal, get_args

Metric = Literal["accuracy", "f1", "precision", "recall", "mae", "rmse", "bias"]
Task = Literal["classification", "regression"]

METRICS: tuple[Metric, ...] = get_args(Metric)
OF_TASK: Mapping[Task, tuple[Metric, ...]] = {
    "classification": ("accuracy", "f1", "precision", "recall"),
    "regression": ("mae", "rmse", "bias"),
}
"""Those that labels of a task give; the first is what is taken where nobody asks for one."""
NAMES: Mapping[Metric, str] = {
    "accuracy": "accuracy", "f1": "F1", "precision": "precision", "recall": "recall",
    "mae": "mean absolute error", "rmse": "root mean squared error", "bias": "bias",
}  # fmt: skip
_SPLITS = ("val_", "valid_", "validation_", "test_", "eval_")
_ALIASES: Mapping[str, Metric] = {
    "f1_score": "f1", "f1_macro": "f1", "macro_f1": "f1", "precision_macro": "precision",
    "macro_precision": "precision", "recall_macro": "recall", "macro_recall": "recall",
    "balanced_accuracy": "recall", "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse", "mean_error": "bias",
}  # fmt: skip


def is_share(metric: Metric) -> bool:
    """Return whether it is a share, 0 to 1, of which more is better; else an error, in a unit."""
    return metric in OF_TASK["classification"]


def fitting(task: Task, wanted: Metric | None) -> Metric:
    """Return what is wanted where labels of a task give it, else what they give without a wish."""
    mine = OF_TASK[task]
    return wanted if wanted in mine else mine[0]


def is_beyond(metric: Metric, value: float, bound: float) -> bool:
    """Return whether a figure is worse than a bound: below it, or an error above it either way."""
    return value < bound if is_share(metric) else abs(value) > bound


def told(metric: Metric, value: float) -> str:
    """Return a figure as text."""
    return f"{value:.1%}" if is_share(metric) else f"{value:.4g}"


def of_name(name: str | None) -> Metric | None:
    """Return the measure that a project's main metric is, as ``val_f1``; None: none of these."""
    plain = (name or "").lower()
    plain = next((plain.removeprefix(one) for one in _SPLITS if plain.startswith(one)), plain)
    return known(plain) or _ALIASES.get(plain)


def known(name: str) -> Metric | None:
    """Return the measure of exactly this name; None: there is none."""
    return next((one for one in METRICS if one == name), None)
