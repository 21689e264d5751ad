"""Imports run one way: pages → dashboard → services; inside services by rank."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RANK = {
    "home": 0,
    "errors": 0,
    "postgres": 0,
    "process_identity": 0,
    "reading": 1,
    "settings": 1,
    "engines": 2,
    "mirror": 3,
    "telemetry": 3,
    "access": 4,
    "actions": 4,
    "alerting": 4,
    "causes": 5,
    "data": 4,
    "projects": 3,
    "platform": 6,
    "controller": 7,
    "reports": 4,
    "resources": 4,
    "serving": 4,
    "monitoring": 4,
    "objectives": 4,
    "predictions": 4,
    "gateway": 5,
    "lineage": 4,
    "retraining": 4,
    "workflows": 4,
    "commands": 8,
    "cli": 9,
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def files(folder: str) -> list[Path]:
    return sorted(
        path
        for path in (ROOT / folder).rglob("*.py")
        if ".venv" not in path.relative_to(ROOT).parts
    )


@pytest.mark.parametrize("path", files("services"), ids=lambda p: str(p.relative_to(ROOT)))
def test_services_import_only_what_stands_below_them(path: Path):
    own = path.relative_to(ROOT / "services").parts[0].removesuffix(".py")
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in {"streamlit", "dashboard", "pages", "projects", "mlops_client"}, name
        if parts[0] == "services" and len(parts) > 1 and own != "__init__":
            assert RANK[parts[1]] <= RANK[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", files("dashboard"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_dashboard_imports_no_page(path: Path):
    assert not [name for name in imports(path) if name.split(".")[0] == "pages"]


@pytest.mark.parametrize(
    "path", files("client/src") + files("projects"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_client_and_projects_stand_alone(path: Path):
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & {"services", "dashboard", "pages"}
