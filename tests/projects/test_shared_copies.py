"""Projects are distributions of their own: what the diffusion ones share is copied, and equal."""

from pathlib import Path

import pytest

PROJECTS = Path(__file__).parents[2] / "projects"
ORIGINAL = PROJECTS / "02_Stable_Diffusion" / "diffusion"
MODULES = ("data", "network", "numerics", "picture", "quality")
COPIES = {"07_Adaptive_Diffusion": "adaptive"}


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("project", COPIES)
def test_a_copied_module_equals_the_original_but_for_its_package(project, module):
    package = COPIES[project]
    copy = (PROJECTS / project / package / f"{module}.py").read_text("utf-8")

    original = (ORIGINAL / f"{module}.py").read_text("utf-8")

    assert copy == original.replace("from diffusion.", f"from {package}.")
