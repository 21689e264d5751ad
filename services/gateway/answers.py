"""What models answered, decoded for logs and for people."""

import math
from typing import Any

import numpy as np

from services.gateway import arrays
from services.gateway.problems import Problem
from services.serving.frames import Tensor


def decoded(tensors: tuple[Tensor, ...]) -> dict[str, Any]:
    """Return a model's outputs as arrays and lists of texts.

    Raises:
        Problem: They are not what they say.
    """
    found: dict[str, Any] = {}
    for one in tensors:
        try:
            elements = math.prod(one.shape)
            if one.datatype == arrays.TEXT:
                texts = arrays.unpacked_texts(one.data, elements, one.name)
                found[one.name] = texts if len(one.shape) == 1 else _shaped(texts, one.shape)
            else:
                dtype = arrays.TYPES[one.datatype]
                found[one.name] = np.frombuffer(one.data, dtype=dtype).reshape(one.shape)
        except (Problem, KeyError, ValueError) as error:
            raise Problem(
                "model", f"The model's output {one.name!r} cannot be read.", status=502
            ) from error
    return found


def _shaped(texts: list[str], shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    return np.array(texts, dtype=object).reshape(shape).tolist()
