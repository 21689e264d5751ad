"""MLX first, and the reason in a sentence; what cannot be is refused, never replaced."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.engines.silicon.models import Machine as SiliconMachine
from services.errors import InputError
from services.serving.backends import (
    Choice,
    Machine,
    choose,
    has_torch,
    machine_of,
    possible,
)
from services.serving.models import Backend, BundleInfo

GIB = 1024**3
MAC = Machine("Apple M3 Max", True, True, False, 48 * GIB, 64 * GIB)
BLIND_MAC = Machine("Apple M1", apple_silicon=True)
LINUX = Machine("AMD EPYC")
NVIDIA = Machine("AMD EPYC", cuda=True)


def version(format: str = "safetensors", preferred: Backend | None = None) -> BundleInfo:  # noqa: A002 - as the field
    return BundleInfo("p", "m", 1, "rows", format, (), (), preferred_backend=preferred)


def test_mlx_weights_run_on_metal():
    assert choose(version(), MAC, GIB) == Choice(
        "mlx", "The version holds MLX weights: MLX computes on the GPU of Apple M3 Max by Metal."
    )


def test_off_apple_silicon_mlx_computes_on_the_cpu():
    assert choose(version(), LINUX, GIB) == Choice(
        "mlx", "The version holds MLX weights: MLX computes on the CPU, AMD EPYC has no Metal."
    )


def test_beyond_nine_tenths_of_the_working_set_torch_takes_over_where_the_project_has_it():
    assert choose(version(), MAC, 43 * GIB, torch=True).backend == "mlx"
    chosen = choose(version(), MAC, 44 * GIB, torch=True)
    assert chosen == Choice(
        "mps",
        "It takes 44.0 GB, 819 MB more than 90 % of the 48.0 GB that Metal recommends. The version "
        "holds MLX weights: PyTorch computes on the GPU of Apple M3 Max by Metal.",
    )


def test_without_a_torch_model_it_is_mlx_all_the_same_and_that_is_said():
    chosen = choose(version(), MAC, 44 * GIB)
    assert chosen.backend == "mlx"
    assert chosen.reason.endswith("Nothing else runs these weights, so it is MLX all the same.")


def test_a_mac_without_metal_uses_torch_where_there_is_one():
    assert choose(version(), BLIND_MAC, GIB, torch=True).backend == "cpu"
    assert choose(version(), BLIND_MAC, GIB).backend == "mlx"
    assert "Metal is not there on Apple M1." in choose(version(), BLIND_MAC, GIB).reason


@pytest.mark.parametrize(
    ("format", "machine", "backend"),
    [
        ("onnx", MAC, "cpu"),
        ("onnx", NVIDIA, "cuda"),
        ("skops", NVIDIA, "cpu"),
        ("booster", MAC, "cpu"),
        ("unheard-of", MAC, "cpu"),
    ],
)
def test_other_formats_run_on_what_reads_them(format: str, machine: Machine, backend: str):  # noqa: A002 - as the field
    assert choose(version(format), machine, GIB).backend == backend


def test_a_persons_choice_goes_first():
    assert choose(version("onnx", "cpu"), NVIDIA, GIB, "cuda") == Choice(
        "cuda", "Chosen by a person: it computes on the NVIDIA GPU by CUDA."
    )


def test_a_choice_that_cannot_be_is_refused_with_what_can():
    with pytest.raises(InputError) as refused:
        choose(version("skops"), MAC, GIB, "mlx")
    assert str(refused.value) == (
        "A scikit-learn model can run on the CPU alone. Leave the backend open, or choose the CPU."
    )
    with pytest.raises(InputError, match="There is no NVIDIA GPU on Apple M3 Max"):
        choose(version("onnx"), MAC, GIB, "cuda")
    with pytest.raises(InputError, match="There is no Metal on AMD EPYC"):
        choose(version(), LINUX, GIB, "mps", torch=True)


def test_a_torch_model_that_is_not_known_of_may_be_asked_for_by_a_person_alone():
    assert choose(version(), MAC, GIB, "mps").backend == "mps"
    assert choose(version(), MAC, GIB).backend == "mlx"
    with pytest.raises(InputError, match="MLX weights can run on MLX alone"):
        choose(version(), MAC, GIB, "mps", torch=False)


def test_what_the_version_prefers_is_heeded_where_it_can_be():
    assert choose(version("onnx", "cpu"), NVIDIA, GIB) == Choice(
        "cpu", "The version prefers the CPU: it computes on the CPU."
    )
    chosen = choose(version("onnx", "cuda"), LINUX, GIB)
    assert chosen == Choice(
        "cpu",
        "The version holds an ONNX graph: it computes on the CPU. It prefers CUDA, but: There is "
        "no NVIDIA GPU on AMD EPYC.",
    )


def test_what_is_possible_is_offered_best_first():
    assert possible(version(), MAC) == ("mlx",)
    assert possible(version(), MAC, torch=True) == ("mlx", "mps", "cpu")
    assert possible(version("onnx"), NVIDIA) == ("cuda", "cpu")


def test_a_machine_is_read_from_what_telemetry_knows():
    mac = SiliconMachine(
        "studio-1", "Apple M2", True, "macOS 15", gpu="Apple M2", memory_bytes=16 * GIB,
        recommended_working_set_bytes=11 * GIB,
    )  # fmt: skip
    assert machine_of(mac) == Machine(
        "Apple M2", True, True, False, 11 * GIB, 16 * GIB, "studio-1"
    )  # fmt: skip
    linux = SiliconMachine("box-1", "AMD EPYC", apple_silicon=False, os="Linux")
    assert not machine_of(linux, cuda=True).metal
    assert machine_of(linux, cuda=True).cuda


def test_torch_is_looked_for_in_the_environment_without_importing_it(tmp_path: Path):
    named = replace(version(), torch_entry="lora.torch:predictor")
    assert has_torch(version(), tmp_path) is False
    assert has_torch(named, None) is None
    assert has_torch(named, tmp_path) is None, "it is not built yet"
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    assert has_torch(named, tmp_path) is False
    (packages / "torch").mkdir()
    (packages / "torch" / "__init__.py").write_text("raise SystemExit('imported')")
    assert has_torch(named, tmp_path) is True


def test_what_lacks_for_torch_is_said_with_what_to_do():
    with pytest.raises(InputError) as no_model:
        choose(version(), LINUX, GIB, "cpu", torch=False)
    assert str(no_model.value).startswith(
        "MLX weights can run on MLX alone: the project names no torch model for them. Leave the "
        "backend open, or choose MLX. To have PyTorch, name its function as `torch`"
    )
    named = replace(version(), torch_entry="lora.torch:predictor")
    with pytest.raises(InputError) as no_torch:
        choose(named, LINUX, GIB, "cpu", torch=False)
    assert str(no_torch.value) == (
        "MLX weights can run on MLX alone: their torch model needs torch, which is not in the "
        "project's environment. Leave the backend open, or choose MLX. To have PyTorch, add torch "
        "to what the project's environment is made of."
    )
    chosen = choose(named, LINUX, GIB, "cpu", torch=True)
    assert chosen == Choice("cpu", "Chosen by a person: PyTorch computes on the CPU.")
    assert choose(named, NVIDIA, GIB, "cuda", torch=True).reason.endswith(
        "PyTorch computes on the NVIDIA GPU by CUDA."
    )


def test_other_weights_are_not_told_of_torch():
    with pytest.raises(InputError) as refused:
        choose(version("skops"), MAC, GIB, "mps", torch=False)
    assert "orch" not in str(refused.value).replace("PyTorch on Metal (MPS)", "")
