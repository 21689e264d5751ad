"""Generate, score, filter, retrain: one round after the other until the rule says stop."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from selfimprove.data import CLASSES, Digits
from selfimprove.filters import Scores, best_of_each_digit
from selfimprove.generator import Generator, sample, starting_noise
from selfimprove.judging import Judged
from selfimprove.quality import Judge
from selfimprove.stopping import StoppingRule


@dataclass(frozen=True, slots=True)
class Plan:
    """What every round does."""

    scores: Scores | None
    """How samples are scored; None trains on real images alone (the baseline)."""
    kept_share: float
    samples: int
    """Generated a round, evenly over the digits."""
    steps: int
    """Of training a round, the same for every technique."""
    batch_size: int
    synthetic_share: float
    sampling_steps: int
    most_rounds: int


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one round; round 0 is the generator before the loop."""

    number: int
    judged: Judged
    kept: int
    best: bool
    weights: dict[str, mx.array]


def run(
    generator: Generator,
    real: Digits,
    scorer: Judge,
    plan: Plan,
    rule: StoppingRule,
    *,
    judge: Callable[[Generator], Judged],
    on_step: Callable[[float, int], None],
    seed: int,
) -> Iterator[Round]:
    """Yield the rounds as they end; `judge` scores the generator on held-out images."""
    judged = judge(generator)
    yield Round(0, judged, 0, rule.note(judged.joint_frechet), generator.weights())
    for number in range(1, plan.most_rounds + 1):
        if rule.stopped:
            return
        pool = None
        if plan.scores is not None:
            pool = own_samples(generator, scorer, plan, seed + number)
        generator.train(
            real,
            pool,
            steps=plan.steps,
            batch_size=plan.batch_size,
            synthetic_share=plan.synthetic_share,
            on_step=on_step,
        )
        judged = judge(generator)
        kept = 0 if pool is None else len(pool)
        yield Round(number, judged, kept, rule.note(judged.joint_frechet), generator.weights())


def own_samples(generator: Generator, scorer: Judge, plan: Plan, seed: int) -> Digits:
    """Return fresh samples of the generator that pass the filter."""
    if plan.scores is None:
        raise ValueError("A plan without scores makes no samples.")
    labels = np.arange(plan.samples) % CLASSES
    start = starting_noise(1_000_000 * seed + np.arange(plan.samples))
    images = sample(generator.mean, labels, start, steps=plan.sampling_steps)
    made = Digits(images, labels)
    rows = best_of_each_digit(made, plan.scores(scorer, made), plan.kept_share)
    return Digits(images[rows], labels[rows])
