"""Projects are distributions of their own: what some of them share is copied, and stays equal."""

from pathlib import Path

import pytest

PROJECTS = Path(__file__).parents[2] / "projects"
ORIGINAL = PROJECTS / "02_Stable_Diffusion" / "diffusion"
MODULES = ("data", "network", "numerics", "picture", "quality")
COPIES = [("05_CLIP_Finetuning", "twotower", "numerics")] + [
    (project, package, module)
    for project, package in (
        ("07_Adaptive_Diffusion", "adaptive"),
        ("09_Self_Improving_Diffusion", "selfimprove"),
    )
    for module in MODULES
]


@pytest.mark.parametrize(("project", "package", "module"), COPIES)
def test_a_copied_module_equals_the_original_but_for_its_package(project, package, module):
    copy = (PROJECTS / project / package / f"{module}.py").read_text("utf-8")

    original = (ORIGINAL / f"{module}.py").read_text("utf-8")

    assert copy == original.replace("from diffusion.", f"from {package}.")
