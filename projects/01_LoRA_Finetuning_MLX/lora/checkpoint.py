"""Where a training stands, so that one that was stopped goes on instead of beginning again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlops_client
import mlx.core as mx
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten

from lora.classifier import Classifier

_FORMAT = "1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The one checkpoint of a training: of this technique and seed with these parameters."""

    file: Path
    run_id: str
    of: Mapping[str, Any]
    """Technique, seed and parameters: a checkpoint of others is not gone on from."""

    def keep(self, step: int, classifier: Classifier, optimizer: optim.Optimizer) -> None:
        """Save the state after a step when the platform asks for it, and say that it is saved."""
        if mlops_client.checkpoint_requested():
            self.save(step, classifier, optimizer)
            mlops_client.checkpoint_saved(self.file)

    def save(self, step: int, classifier: Classifier, optimizer: optim.Optimizer) -> None:
        """Write the state after a step, whole or not at all."""
        state = {f"optimizer.{name}": one for name, one in tree_flatten(optimizer.state)}
        state |= {f"model.{name}": one for name, one in _trained(classifier).items()}
        said = {"format": _FORMAT, "step": str(step), "run_id": self.run_id, "of": _text(self.of)}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_name(f"new-{self.file.name}")
        mx.save_safetensors(str(new), state, said)
        new.replace(self.file)

    def resume(self, classifier: Classifier, optimizer: optim.Optimizer) -> int:
        """Put a saved state back; return after which step it was, 0 without one."""
        found = _read(self.file, self.of)
        if found is None:
            return 0
        state, said = found
        classifier.update(tree_unflatten(_under("model.", state)))
        optimizer.state = tree_unflatten(_under("optimizer.", state))
        mx.eval(classifier.parameters(), optimizer.state)
        return int(said["step"])

    def drop(self) -> None:
        """Forget it: the training is done."""
        self.file.unlink(missing_ok=True)


def run_of(file: Path, of: Mapping[str, Any]) -> str | None:
    """Return the run that a checkpoint belongs to, None when there is none to go on with."""
    found = _read(file, of)
    return None if found is None else found[1]["run_id"]


def _read(file: Path, of: Mapping[str, Any]) -> tuple[dict[str, mx.array], dict[str, str]] | None:
    try:
        state, said = mx.load(str(file), return_metadata=True)
    except (OSError, RuntimeError, ValueError):
        return None  # there is none, or it is damaged: the training begins again
    mine = said.get("format") == _FORMAT and said.get("of") == _text(of)
    return (state, said) if mine else None


def _trained(classifier: Classifier) -> dict[str, mx.array]:
    return dict(tree_flatten(classifier.trainable_parameters()))


def _under(prefix: str, state: Mapping[str, mx.array]) -> list[tuple[str, mx.array]]:
    return [
        (name.removeprefix(prefix), one) for name, one in state.items() if name.startswith(prefix)
    ]


def _text(of: Mapping[str, Any]) -> str:
    return json.dumps(of, sort_keys=True)
