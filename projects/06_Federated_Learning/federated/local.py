"""What one client does in one round: a few epochs of SGD on its own images."""

from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten

from federated.data import Digits
from federated.model import Classifier, Weights, model_from, weights_of


@dataclass(frozen=True, slots=True)
class Work:
    """How a client trains."""

    epochs: int
    batch_size: int
    learning_rate: float
    proximal: float = 0.0
    """FedProx's mu: how strongly the client is held near the weights it was sent. 0 is FedAvg."""


def train(weights: Weights, digits: Digits, work: Work, seed: int) -> tuple[Weights, float]:
    """Return the weights after training, and the mean loss on the way."""
    model = model_from(weights)
    anchor = {name: mx.array(array) for name, array in weights.items()}
    optimizer = optim.SGD(learning_rate=work.learning_rate)
    generator = np.random.default_rng(seed)

    def loss_of(model: Classifier, images: mx.array, labels: mx.array) -> mx.array:
        loss = nn.losses.cross_entropy(model(images), labels, reduction="mean")
        if work.proximal:
            loss = loss + work.proximal / 2 * distance(model, anchor)
        return loss

    grads_of = nn.value_and_grad(model, loss_of)
    losses = []
    batches = -(-len(digits) // work.batch_size)
    for _ in range(work.epochs):
        for rows in np.array_split(generator.permutation(len(digits)), batches):
            images, labels = mx.array(digits.images[rows]), mx.array(digits.labels[rows])
            loss, grads = grads_of(model, images, labels)
            optimizer.update(model, grads)
            mx.eval(model.parameters())
            losses.append(loss.item())
    return weights_of(model), float(np.mean(losses))


def distance(model: Classifier, anchor: dict[str, mx.array]) -> mx.array:
    """Return the squared distance of the model's weights from `anchor`."""
    total = mx.array(0.0)
    for name, array in tree_flatten(model.parameters()):
        total = total + mx.sum(mx.square(array - anchor[name]))
    return total
