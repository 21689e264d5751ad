"""The platform and the model server read one file, ``serving.json``, each with classes of its own.

The model server is part of the client, which imports nothing of the platform. So the fields stand
twice; here they are held together.
"""

from dataclasses import MISSING, fields
from typing import Any

import pytest
from mlops_client.serving import info

from services.serving.models import BundleInfo, Field

UNREAD = {
    BundleInfo: {
        "flavor", "title", "quantised_bits", "run_id", "data_revision", "git_commit", "technique",
        "preferred_backend",
    },
    Field: {"title", "image", "side"},
}  # fmt: skip
"""What the model server has no use for. A new field is one of these, or the server reads it."""


def default(one: Any) -> object:
    return one.default_factory() if one.default_factory is not MISSING else one.default


@pytest.mark.parametrize(("ours", "theirs"), [(BundleInfo, info.Info), (Field, info.Column)])
def test_the_model_server_reads_all_fields_but_those_named_here(ours: type, theirs: type):
    written = {one.name: default(one) for one in fields(ours)}
    read = {one.name: default(one) for one in fields(theirs)}
    assert written.keys() - read.keys() == UNREAD[ours]
    assert {name: written.get(name, "no such field") for name in read} == read


def test_what_the_platform_writes_is_what_the_model_server_reads():
    column = Field(
        "x", "FP32", (-1, 4), optional=True, title="X", min=-1.5, max=2.5, choices=(1, 2.5),
        example=[1, 2, 3, 4],
    )  # fmt: skip
    said = BundleInfo(
        "lora", "net", 7, "classifier", "safetensors", (column,), (Field("y", "BYTES", (-1,)),),
        entry="a:b", stream="c:d", torch_entry="e:f", batchable=True, fixed_batches=(1, 8),
        example={"x": [[1, 2, 3, 4]]}, weights_bytes=12,
    )  # fmt: skip
    read = info.parsed(said.as_json())
    for name in (one.name for one in fields(info.Info)):
        theirs, ours = getattr(read, name), getattr(said, name)
        if name not in {"inputs", "outputs"}:
            assert theirs == ours, name
            assert ours not in ("", (), {}, 0, False), f"{name} is not tried"
            continue
        for mine, its in zip(ours, theirs, strict=True):
            for one in fields(info.Column):
                assert getattr(its, one.name) == getattr(mine, one.name), f"{name}.{one.name}"


def test_what_the_platform_reads_is_what_it_wrote():
    said = BundleInfo("lora", "net", 7, "rows", "onnx", (Field("x", "FP32", (-1,)),), ())
    assert BundleInfo.from_json(said.as_json()) == said
