"""Scikit-learn's 1,797 digits: held-out parts for the coordinator, one private shard a client."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

CLASSES = 10
PIXELS = 64
_SPLIT_SEED = 20
_SMALLEST_SHARD = 20


@dataclass(frozen=True, slots=True)
class Digits:
    """Images as rows of 64 pixels in [0, 1], and the digit each one shows."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def load() -> dict[str, Digits]:
    """Return the parts ``train`` (1,197), ``val`` (300) and ``test`` (300), stratified by digit."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32)
    labels = labels.astype(np.int64)
    rest_x, test_x, rest_y, test_y = train_test_split(
        images, labels, test_size=300, stratify=labels, random_state=_SPLIT_SEED
    )
    train_x, val_x, train_y, val_y = train_test_split(
        rest_x, rest_y, test_size=300, stratify=rest_y, random_state=_SPLIT_SEED
    )
    return {
        "train": Digits(train_x, train_y),
        "val": Digits(val_x, val_y),
        "test": Digits(test_x, test_y),
    }


def dirichlet_split(
    labels: np.ndarray, clients: int, alpha: float, generator: np.random.Generator
) -> list[np.ndarray]:
    """Return each client's rows: every digit is shared out by proportions drawn from a Dirichlet.

    A small `alpha` gives each client few digits, a large one all of them evenly. Drawn again until
    every client has at least 20 rows.

    Raises:
        ValueError: not enough rows for so many clients, or no such split in a thousand draws.
    """
    if len(labels) < 2 * _SMALLEST_SHARD * clients:
        raise ValueError(f"{len(labels)} images are too few for {clients} clients.")
    for _ in range(1000):
        shards: list[list[np.ndarray]] = [[] for _ in range(clients)]
        for label in range(CLASSES):
            rows = generator.permutation(np.flatnonzero(labels == label))
            shares = generator.dirichlet(np.full(clients, alpha))
            cuts = (np.cumsum(shares)[:-1] * len(rows)).astype(int)
            for shard, part in zip(shards, np.split(rows, cuts), strict=True):
                shard.append(part)
        whole = [np.sort(np.concatenate(shard)) for shard in shards]
        if min(len(rows) for rows in whole) >= _SMALLEST_SHARD:
            return whole
    raise ValueError(f"alpha {alpha} leaves some of {clients} clients almost without images.")


def write_shards(folder: Path, train: Digits, shards: list[np.ndarray]) -> list[Path]:
    """Write each client's rows to a file of its own, which that client alone will read."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, rows in enumerate(shards):
        path = folder / f"client-{number}.npz"
        np.savez(path, images=train.images[rows], labels=train.labels[rows])
        paths.append(path)
    return paths


def read_shard(path: Path) -> Digits:
    """Return what `write_shards` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return Digits(stored["images"], stored["labels"])
