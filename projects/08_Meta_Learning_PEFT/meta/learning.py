"""The inner loop, Reptile and first-order MAML, over a batch of tasks at once."""

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from meta.network import Parameters, forward, is_adapter, task_losses
from meta.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Inner:
    """How a task is learned: only the adapters when ``lora``, else everything."""

    lora: bool
    steps: int
    learning_rate: float
    alpha: float


def split(parameters: Parameters, inner: Inner) -> tuple[Parameters, Parameters]:
    """Return what the inner loop changes, and what it leaves alone."""
    changed = {k: v for k, v in parameters.items() if is_adapter(k) or not inner.lora}
    return changed, {k: v for k, v in parameters.items() if k not in changed}


def for_tasks(parameters: Parameters, count: int) -> Parameters:
    """Return a copy of the parameters for each task."""
    return {k: mx.broadcast_to(v, (count, *v.shape)) for k, v in parameters.items()}


def adapt(
    parameters: Parameters, pixels: mx.array, labels: mx.array, inner: Inner, steps: int
) -> Parameters:
    """Return each task's own parameters after some steps of gradient descent."""
    changed, fixed = split(parameters, inner)
    changed, fixed = for_tasks(changed, len(pixels)), for_tasks(fixed, len(pixels))
    gradient = mx.grad(lambda part: task_losses(part | fixed, pixels, labels, inner.alpha))
    for _ in range(steps):
        slope = gradient(changed)
        changed = {k: v - inner.learning_rate * slope[k] for k, v in changed.items()}
        mx.eval(changed)
    return changed | fixed


def reptile(parameters: Parameters, tasks: Tasks, inner: Inner, rate: float) -> Parameters:
    """Return the parameters moved towards the mean of what the tasks made of them."""
    pixels = mx.array(np.concatenate([tasks.support, tasks.query], axis=1))
    labels = mx.array(np.concatenate([tasks.support_labels, tasks.query_labels], axis=1))
    adapted = adapt(parameters, pixels, labels, inner, inner.steps)
    return {k: v + rate * (adapted[k].mean(axis=0) - v) for k, v in parameters.items()}


def fomaml_gradients(
    parameters: Parameters, tasks: Tasks, inner: Inner
) -> tuple[float, Parameters]:
    """Return the mean query loss after adaptation, and its gradient taken at the adapted point."""
    adapted = adapt(
        parameters, mx.array(tasks.support), mx.array(tasks.support_labels), inner, inner.steps
    )
    query, labels = mx.array(tasks.query), mx.array(tasks.query_labels)
    loss, slope = mx.value_and_grad(task_losses)(adapted, query, labels, inner.alpha)
    return loss.item() / len(query), {k: v.mean(axis=0) for k, v in slope.items()}


def query_loss(parameters: Parameters, tasks: Tasks, inner: Inner) -> float:
    """Return the mean loss on the queries after learning from the support."""
    adapted = adapt(
        parameters, mx.array(tasks.support), mx.array(tasks.support_labels), inner, inner.steps
    )
    total = task_losses(adapted, mx.array(tasks.query), mx.array(tasks.query_labels), inner.alpha)
    return total.item() / len(tasks.query)


def accuracies(parameters: Parameters, tasks: Tasks, inner: Inner, steps: int) -> np.ndarray:
    """Return each task's share of right answers after learning from its support."""
    adapted = adapt(
        parameters, mx.array(tasks.support), mx.array(tasks.support_labels), inner, steps
    )
    answers = np.array(forward(adapted, mx.array(tasks.query), inner.alpha).argmax(axis=-1))
    return (answers == tasks.query_labels).mean(axis=1)


def confidence_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval (normal, from the sample's standard deviation)."""
    mean = float(values.mean())
    half = 1.96 * float(values.std(ddof=1)) / float(np.sqrt(len(values)))
    return mean, mean - half, mean + half


def joint(
    parameters: Parameters,
    draw: Callable[[], Tasks],
    *,
    steps: int,
    on_step: Callable[[float], None],
) -> Parameters:
    """Return parameters trained in the ordinary way on pictures of all training worlds together."""
    optimizer = optim.Adam(2e-3)

    def loss(part: Parameters, x: mx.array, y: mx.array) -> mx.array:
        return nn.losses.cross_entropy(forward(part, x, 1.0), y, reduction="mean")

    step = mx.value_and_grad(loss)
    for _ in range(steps):
        tasks = draw()
        pixels = mx.array(tasks.query.reshape(-1, tasks.query.shape[-1]))
        value, slope = step(parameters, pixels, mx.array(tasks.query_labels.reshape(-1)))
        parameters = optimizer.apply_gradients(slope, parameters)
        mx.eval(parameters, optimizer.state)
        on_step(value.item())
    return parameters
