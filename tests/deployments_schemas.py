"""What the six endpoints of ``deployments_seed`` take and answer."""

from dataclasses import replace
from typing import Any

from services.projects.serving import Serve
from services.serving import interface
from services.serving.models import BundleInfo, Field

LORA = "lora-finetuning.lora-finetuning"
IMAGES = "stable-diffusion.stable-diffusion"
PIXELS = "cpu-compression.cpu-compression"
CLIP = "clip-finetuning.clip-finetuning"
TEXT = "quantized-optimization.quantized-optimization"
FEW = "meta-learning-peft.meta-learning-peft"
NAMES = (LORA, IMAGES, PIXELS, CLIP, TEXT, FEW)


def info(
    name: str, version: int, interface: Any, inputs: Any, outputs: Any, **more: Any
) -> BundleInfo:
    project, _, model = name.partition(".")
    return BundleInfo(
        project, model, version, interface, "safetensors", inputs, outputs, flavor="mlx",
        run_id="0" * 32, **more,
    )  # fmt: skip


def infos() -> dict[str, BundleInfo]:
    """Return the schemas by endpoint, of version 1."""
    pixels = Field("pixels", "FP32", (-1, 64), image=True, side=8, min=0.0, max=1.0,
                   title="A digit")  # fmt: skip
    label = Field("label", "INT64", (-1,))
    confidence = Field("confidence", "FP32", (-1,))
    word = Field("label", "BYTES", (-1,))
    picture = Field("image", "FP32", (-1, 16, 16), image=True)
    digit = Field("label", "INT64", (-1,), title="Digit", choices=tuple(range(10)), example=3)
    number = Field("seed", "INT64", (-1,), optional=True, min=0, max=2**31 - 1, title="Seed")
    return {
        LORA: info(
            LORA, 1, "classifier",
            (Field("text", "BYTES", (-1,), title="Message", example="my card was declined"),),
            (word, confidence), batchable=True, example={"text": ["my card was declined"]},
        ),
        IMAGES: info(IMAGES, 1, "images", (digit, number), (picture,), example={"label": [3]}),
        PIXELS: info(PIXELS, 1, "classifier", (pixels,), (label, confidence), batchable=True,
                     example={"pixels": [[0.0] * 64]}),
        CLIP: info(
            CLIP, 1, "embeddings",
            (Field("image", "FP32", (-1, 12, 12, 3), optional=True, image=True),
             Field("text", "BYTES", (-1,), optional=True, title="Caption", example="a red square")),
            (Field("embedding", "FP32", (-1, 32)),), batchable=True,
        ),
        TEXT: info(
            TEXT, 1, "text",
            (Field("text", "BYTES", (-1,), title="Prompt", example="The north wind"),),
            (Field("continuation", "BYTES", (-1,)), Field("bits_per_character", "FP64", (-1,))),
            stream="serve:stream",
        ),
        FEW: _taught(info(
            FEW, 1, "few-shot",
            (replace(pixels, title=""),
             Field("label", "INT64", (-1,), title="Digit; -1 asks", choices=tuple(range(-1, 10)))),
            (replace(label, choices=tuple(range(10))), confidence),
        )),
    }  # fmt: skip


def _taught(info: BundleInfo) -> BundleInfo:
    """Return it with an example of every class and a row that is asked, as packaging makes it."""
    return replace(info, example=interface.example(info, Serve(asked=-1)))
