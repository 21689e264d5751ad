"""The techniques compared here: what a task starts from, what it changes, how that is learned."""

from dataclasses import dataclass
from typing import Literal

Outer = Literal["none", "reptile", "fomaml"]


@dataclass(frozen=True, slots=True)
class Technique:
    """One way to be ready for a new world.

    ``outer_rate`` is Adam's for first-order MAML, and Reptile's share of the way.
    """

    name: str
    lora: bool
    outer: Outer
    inner_rate: float
    iterations: int = 0
    outer_rate: float = 0.0
    joint: bool = True
    """Whether it starts from a network trained on all training worlds together."""

    @property
    def baseline(self) -> bool:
        """Tell whether nothing is meta-learned."""
        return self.outer == "none"


TECHNIQUES = {
    technique.name: technique
    for technique in (
        Technique("from-scratch", lora=False, outer="none", inner_rate=0.2, joint=False),
        Technique("fine-tuning", lora=False, outer="none", inner_rate=0.1),
        Technique("lora-fine-tuning", lora=True, outer="none", inner_rate=0.1),
        Technique(
            "reptile-full",
            lora=False,
            outer="reptile",
            inner_rate=0.1,
            iterations=60,
            outer_rate=0.5,
        ),
        Technique(
            "reptile-lora",
            lora=True,
            outer="reptile",
            inner_rate=0.1,
            iterations=60,
            outer_rate=1.0,
        ),
        Technique(
            "fomaml-full",
            lora=False,
            outer="fomaml",
            inner_rate=0.05,
            iterations=200,
            outer_rate=2e-3,
        ),
        Technique(
            "fomaml-lora",
            lora=True,
            outer="fomaml",
            inner_rate=0.05,
            iterations=200,
            outer_rate=2e-3,
        ),
    )
}
