"""Projects are distributions of their own: what some of them share is copied, and stays equal."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.projects.contract import require

PROJECTS = Path(__file__).parents[2] / "projects"
ORIGINAL = PROJECTS / "02_Stable_Diffusion" / "diffusion"
MODULES = ("data", "network", "numerics", "picture", "quality")
TRACKING = sorted(PROJECTS.glob("*/*/tracking.py"))
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


def fallback(tracking: Path) -> str:
    """Return the lines that say where runs go without the platform."""
    text = tracking.read_text("utf-8")
    begin = text.index("# The platform's client has set this")
    return text[begin : text.index("\n\n\n", begin)]


@pytest.mark.parametrize("tracking", TRACKING, ids=lambda path: path.parts[-3])
def test_without_the_platform_all_projects_do_the_same(tracking: Path):
    assert len(TRACKING) == 9
    assert fallback(tracking) == fallback(TRACKING[0])


@pytest.mark.slow
@pytest.mark.parametrize("tracking", TRACKING, ids=lambda path: path.parts[-3])
def test_without_the_platform_runs_go_beside_the_code(tracking: Path, tmp_path: Path):
    package = tracking.parent.name
    shutil.copytree(tracking.parent, tmp_path / package)
    code = f"from {package} import tracking; print(tracking.mlflow.get_tracking_uri())"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "MLOPS"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == (tmp_path / "mlruns").as_uri(), done.stderr


@pytest.mark.parametrize("folder", sorted(PROJECTS.glob("0*")), ids=lambda path: path.name)
def test_the_train_command_takes_the_parameters_the_contract_declares(folder):
    """Name, type and default: an unchanged launch trains what the command alone does."""
    contract = require(folder)
    text = (folder / "train.py").read_text("utf-8")
    found = re.findall(r'add_argument\(\s*"--([a-z-]+)"([^\n]*)', text)
    options = {name.replace("-", "_"): rest for name, rest in found}
    assert contract.params
    for name, declared in contract.params.items():
        said = options[name]
        kind = {"int": "type=int", "float": "type=float", "choice": "choices="}[declared.type]
        assert kind in said, name
        default = re.search(r'default="?([\w.+-]+)', said)
        assert (default is None) == (declared.default is None), name
        if default is not None and declared.type == "choice":
            assert declared.default == default.group(1)
        elif default is not None:
            assert declared.default == float(default.group(1)), name
