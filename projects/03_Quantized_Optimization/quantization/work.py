"""How much a character costs: what a run logs to be held against the limits of its chip.

A multiply and an add are two operations. Forward takes 2·N for N weights in dense layers, backward
4·N more where all of them and what lies below are trained (Kaplan et al., "Scaling laws for neural
language models", 2020, 2.1); norms and the softmax are left out, under a hundredth of it. For one
context at a time every character reads all weights once (Pope et al., "Efficiently scaling
transformer inference", 2022), so their bytes by the time a character takes is the traffic that the
model asks for. A model as small as this one lies in the caches: what they serve does not reach
memory.
"""

from mlx.utils import tree_flatten

from quantization.model import CharacterModel, Shape


def dense_weights(shape: Shape, characters: int) -> int:
    """Return the numbers in the dense layers."""
    inputs = shape.context * shape.embedding
    return inputs * shape.first + shape.first * shape.second + shape.second * characters


def training_flops(shape: Shape, characters: int) -> float:
    """Return the operations a character takes while the model is trained."""
    return 6.0 * dense_weights(shape, characters)


def answering_flops(shape: Shape, characters: int) -> float:
    """Return the operations of predicting one character."""
    return 2.0 * dense_weights(shape, characters)


def bytes_read(model: CharacterModel, shape: Shape) -> int:
    """Return the bytes of weights that predicting one character reads.

    Scales and biases of quantised layers are among them; of the embedding, the rows of one context.
    """
    every = dict(tree_flatten(model.parameters()))
    table = every.pop("characters.weight")
    rows = shape.context * shape.embedding * table.itemsize
    return rows + sum(array.nbytes for array in every.values())
