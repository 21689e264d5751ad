"""What a contract may say about serving a model: ``[tool.mlops.serve.MODEL]``.

The MLflow signature tells names, types and shapes. This tells what it cannot: what the model is
for, which values it takes, and how its columns are to be drawn.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

Interface = Literal["rows", "classifier", "images", "embeddings", "text", "few-shot"]
Datatype = Literal[
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
    "FP16", "FP32", "FP64", "BYTES",
]  # fmt: skip
ENTRY_PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
Value = bool | int | float | str
_Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
_Side = Annotated[int, Field(ge=1, le=1 << 16)]


class Column(BaseModel):
    """One input or output column; what is not said is as in the signature."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    title: _Line = ""
    datatype: Datatype | None = None
    shape: tuple[Annotated[int, Field(ge=-1, le=1 << 30)], ...] | None = None
    """-1 is the number of rows and comes first."""
    min: float | None = None
    max: float | None = None
    choices: tuple[int | float | Annotated[str, Field(max_length=200)], ...] = Field(
        default=(), max_length=1000
    )
    image: bool = False
    side: _Side | None = None
    """Of a flat picture: its width and height."""
    example: Value | list[Value] | list[list[Value]] | None = None
    """One row's value."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.shape is not None and (not self.shape or self.shape[0] != -1):
            raise ValueError("shape begins with -1, the number of rows")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.side is not None and not self.image:
            raise ValueError("side is for pictures: say image = true")
        return self


class Serve(BaseModel):
    """How one model is served."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    interface: Interface | None = None
    """None: as the signature lets it be understood."""
    title: _Line = ""
    stream: str = ""
    """``module:function``: (weights, config) → generator of text."""
    torch: str = ""
    """``module:function``: (NumPy weights, config, device) → predictor, for where MLX cannot be."""
    fixed_batches: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(), max_length=16
    )
    batchable: bool | None = None
    """Whether rows of different requests may be asked together; None: as the interface is."""
    backend: Literal["mlx", "mps", "cuda", "cpu"] | None = None
    asked: int | str | None = None
    """Of a few-shot model: the label of the rows that are asked, not given as examples."""
    inputs: dict[str, Column] = Field(default_factory=dict, max_length=500)
    outputs: dict[str, Column] = Field(default_factory=dict, max_length=500)
    example: dict[str, list[Value | list[Value]]] = Field(default_factory=dict)
    """Columns of a request that must be answered; none: made from the columns' own values."""

    @field_validator("stream", "torch")
    @classmethod
    def _entry(cls, entry: str) -> str:
        if entry and not re.fullmatch(ENTRY_PATTERN, entry):
            raise ValueError(f"{entry[:80]!r} is not written module:function")
        return entry

    @field_validator("fixed_batches")
    @classmethod
    def _rising(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if list(sizes) != sorted(set(sizes)):
            raise ValueError("fixed_batches rise, each once")
        return sizes

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.stream and self.interface not in {None, "text"}:
            raise ValueError(f"stream is for text, and this is {self.interface}")
        if self.interface == "few-shot" and (self.batchable or self.fixed_batches):
            raise ValueError("rows of a few-shot request belong together: they are not batched")
        if len({len(rows) for rows in self.example.values()}) > 1:
            raise ValueError("the columns of example have different numbers of rows")
        return self
