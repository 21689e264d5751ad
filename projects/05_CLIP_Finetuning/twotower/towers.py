"""The two towers: an image and a text become unit vectors in one space."""

import mlx.core as mx
import mlx.nn as nn

from twotower.captions import PADDING
from twotower.data import PIXELS
from twotower.numerics import Linear

WIDTH = 128
SPACE = 48


class ImageTower(nn.Module):
    """Two hidden layers on the pixels; pretrained to tell digits apart."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Linear(PIXELS, WIDTH)
        self.second = Linear(WIDTH, WIDTH)

    def __call__(self, images: mx.array) -> mx.array:
        """Return one row of features an image."""
        return nn.relu(self.second(nn.relu(self.first(images))))


class TextTower(nn.Module):
    """The mean of the words' vectors, through one hidden layer. The order of words is not seen."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, WIDTH)
        self.hidden = Linear(WIDTH, WIDTH)

    def __call__(self, tokens: mx.array) -> mx.array:
        """Return one row of features a text."""
        mask = (tokens != PADDING)[..., None]
        total = mx.sum(self.words(tokens) * mask, axis=1)
        mean = total / mx.maximum(mx.sum(mask, axis=1), 1)
        return nn.relu(self.hidden(mean * WIDTH**0.5))


class TwoTowers(nn.Module):
    """Both towers, their projections, and the temperature and bias of the similarity."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.image = ImageTower()
        self.text = TextTower(words)
        self.image_projection = Linear(WIDTH, SPACE)
        self.text_projection = Linear(WIDTH, SPACE)
        self.log_scale = mx.array(2.3)
        self.bias = mx.array(0.0)

    def images(self, images: mx.array) -> mx.array:
        """Return unit vectors of images."""
        return _unit(self.image_projection(self.image(images)))

    def texts(self, tokens: mx.array) -> mx.array:
        """Return unit vectors of texts."""
        return _unit(self.text_projection(self.text(tokens)))


def _unit(rows: mx.array) -> mx.array:
    return rows * mx.rsqrt(mx.sum(mx.square(rows), axis=-1, keepdims=True) + 1e-8)
