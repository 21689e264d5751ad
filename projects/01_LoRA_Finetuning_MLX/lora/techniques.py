"""The techniques compared here: what each trains, and how fast."""

from dataclasses import dataclass, replace

from lora.adapters import TARGETS, adapt
from lora.encoder import Layer


@dataclass(frozen=True, slots=True)
class Technique:
    """One way to fit the classifier; ``targets`` are the adapted modules, () means none."""

    name: str
    learning_rate: float
    epochs: int
    seeds: tuple[int, ...]
    targets: tuple[str, ...] = ()
    trains_layers: bool = True
    baseline: bool = False

    def aimed_at(self, targets: tuple[str, ...]) -> "Technique":
        """Return the same technique with other target modules."""
        return replace(self, targets=targets)

    def prepare(self, layers: list[Layer], *, rank: int, alpha: float) -> None:
        """Freeze and adapt the layers as this technique wants them."""
        if self.targets:
            adapt(layers, self.targets, rank=rank, alpha=alpha)


TECHNIQUES = {
    technique.name: technique
    for technique in (
        Technique("linear-probe", 3e-3, 5, (0, 1, 2), trains_layers=False, baseline=True),
        Technique("full-finetuning", 1e-4, 2, (0,), baseline=True),
        Technique("lora-qv", 1e-3, 2, (0, 1), targets=("query", "value")),
        Technique("lora-all-linear", 5e-4, 2, (0, 1), targets=TARGETS),
    )
}
