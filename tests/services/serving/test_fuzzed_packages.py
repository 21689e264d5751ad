"""Any bytes in a package are let in or refused: nothing crashes, nothing is unpickled."""

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import BundleError
from services.serving import bundle_safety
from services.serving.bundle_formats import RefusedError
from tests.services.serving.hostile import (
    array,
    field,
    skops,
    zipped,
)
from tests.services.serving.packages import (
    safetensors,
)

KINDS = sorted(bundle_safety._CHECKS)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(KINDS), content=st.binary(max_size=400))
def test_any_bytes_are_let_in_or_refused_and_never_a_crash(
    tmp_path: Path, kind: str, content: bytes
):
    (tmp_path / f"file{kind}").write_bytes(content)
    try:
        bundle_safety.check_files(tmp_path)
    except BundleError as error:
        assert error.message  # noqa: PT017 - refusing is one of both right answers
    finally:
        (tmp_path / f"file{kind}").unlink()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from([".safetensors", ".npz", ".skops", ".npy", ".onnx"]),
    at=st.integers(0, 400),
    put=st.binary(min_size=1, max_size=4),
)
def test_a_file_with_other_bytes_is_let_in_or_refused(
    tmp_path: Path, kind: str, at: int, put: bytes
):
    whole = {
        ".safetensors": safetensors(),
        ".npz": zipped(("w.npy", array(np.zeros(20)))),
        ".skops": skops({"__class__": "int"}, ("w.npy", array(np.zeros(20)))),
        ".npy": array(np.zeros(20)),
        ".onnx": field(1, 8) + field(7, field(5, field(1, b"abc"))),
    }[kind]
    at %= len(whole)
    file = tmp_path / f"file{kind}"
    file.write_bytes(whole[:at] + put + whole[at + len(put) :])
    try:
        bundle_safety._CHECKS[kind](file)
    except RefusedError as error:
        assert str(error)  # noqa: PT017 - as above
    finally:
        file.unlink()
