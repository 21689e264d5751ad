"""One training: rounds of local work, averaged (or not, for the local-only baseline)."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from federated.averaging import divergence, present, weighted_mean
from federated.fleet import Fleet
from federated.local import Work
from federated.model import Weights
from federated.wire import Message, encode

Updates = dict[int, tuple[Weights, int]]
"""By client: its weights after local training, and how many images it has."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training does."""

    rounds: int
    clients: int
    work: Work
    seed: int
    average: bool = True
    drop_out: float = 0.0
    kill_round: int | None = None
    """The round in which one client's process is killed while it trains."""


@dataclass(frozen=True, slots=True)
class Round:
    """What happened in one round."""

    number: int
    models: list[Weights]
    """The averaged weights alone, or every client's own when nothing is averaged."""
    loss: float | None
    """Mean training loss of who answered; None when nobody did."""
    images: int
    answered: int
    absent: int
    died: int
    divergence: float | None
    bytes_moved: int
    seconds: float


def run(fleet: Fleet, plan: Plan, start: Weights) -> Iterator[Round]:
    """Yield the rounds as they end."""
    models = [start] if plan.average else [start] * plan.clients
    for number in range(plan.rounds):
        began = time.perf_counter()
        here = present(plan.clients, plan.drop_out, plan.seed, number)
        requests = {client: _request(plan, number, client, models) for client in here}
        victim = here[-1] if number == plan.kill_round else None
        answers = fleet.round(requests, victim=victim)
        updates = {
            client: (dict(answer.arrays), fleet.clients[client].samples)
            for client, answer in sorted(answers.items())
        }
        models, spread = next_models(models, updates, average=plan.average)
        yield Round(
            number=number,
            models=models,
            loss=_mean_loss(updates, answers),
            images=sum(count for _, count in updates.values()) * plan.work.epochs,
            answered=len(answers),
            absent=plan.clients - len(here),
            died=len(here) - len(answers),
            divergence=spread,
            bytes_moved=sum(len(encode(m)) for m in [*requests.values(), *answers.values()]),
            seconds=time.perf_counter() - began,
        )


def next_models(
    models: list[Weights], updates: Updates, *, average: bool
) -> tuple[list[Weights], float | None]:
    """Return the models after a round, and how far the clients were apart when that was asked.

    A round nobody answered changes nothing: the next one starts from the same weights.
    """
    if not updates:
        return models, None
    if not average:
        return [updates.get(client, (own, 0))[0] for client, own in enumerate(models)], None
    mean = weighted_mean(list(updates.values()))
    return [mean], divergence(list(updates.values()), mean)


def _request(plan: Plan, number: int, client: int, models: list[Weights]) -> Message:
    seed = int(np.random.default_rng([plan.seed, client, number]).integers(2**31))
    fields = {"round": number, "work": asdict(plan.work), "seed": seed}
    return Message("train", fields, models[0 if plan.average else client])


def _mean_loss(updates: Updates, answers: dict[int, Message]) -> float | None:
    images = sum(count for _, count in updates.values())
    if not images:
        return None
    weighted = sum(answers[client].fields["loss"] * count for client, (_, count) in updates.items())
    return float(weighted / images)
