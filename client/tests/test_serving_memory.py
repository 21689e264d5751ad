import json
import subprocess
import sys

import psutil
import pytest
from mlops_client.serving import memory
from serving_process import environment

LIMITED = """
import json, mlx.core as mx
from mlops_client.serving import memory
memory.limit({0})
cache = mx.set_cache_limit(0)
limit = mx.set_memory_limit(1 << 30)
print(json.dumps([limit, cache, memory.resident()]))
"""


def limits(memory_bytes: int) -> list[int]:
    code = LIMITED.format(memory_bytes)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    found: list[int] = json.loads(done.stdout)
    return found


@pytest.mark.engine
def test_mlx_gets_what_python_leaves_and_an_eighth_of_it_as_cache():
    limit, cache, resident = limits(1 << 30)
    assert 0 < (1 << 30) - limit <= resident
    assert cache == limit // 8


@pytest.mark.engine
def test_a_limit_that_python_alone_fills_leaves_a_little():
    assert limits(1) == [16 << 20, 2 << 20, pytest.approx(0, abs=1 << 30)]


def test_memory_is_measured_and_the_peak_is_this_processs_own():
    found = memory.measured()
    assert found["rss_bytes"] is not None
    assert found["peak_rss_bytes"] is not None
    assert 0 < found["rss_bytes"] <= found["peak_rss_bytes"]
    assert found["rss_bytes"] == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


@pytest.mark.engine
def test_without_mlx_its_figures_are_none_and_a_large_parent_is_no_peak():
    held = bytearray(b"x" * (200 << 20))
    code = (
        "import json\nfrom mlops_client.serving import memory\nprint(json.dumps(memory.measured()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["mlx_active_bytes"] is None
    assert found["mlx_cache_bytes"] is None
    assert found["peak_rss_bytes"] < len(held)
