"""Evidently's own server in its process: it shows a project that monitoring wrote."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from services.engines.evidently.adapter import Evidently
from services.engines.evidently.models import Question
from tests.services.platform.conftest import free_port

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PASSWORD = "correct horse"


@contextlib.contextmanager
def screen(folder: Path):
    port = free_port()
    (folder / "token").write_text(f"{PASSWORD}\n")
    command = [
        sys.executable, "-P", "-m", "services.engines.evidently.screen", "--port", str(port),
        "--workspace", str(folder / "workspace"), "--password", str(folder / "token"),
    ]  # fmt: skip
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as it,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                assert it.poll() is None, (folder / "log").read_text()
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{url}/api/version").status_code == 200:
                        break
                time.sleep(0.2)
            with httpx.Client(base_url=url, auth=("me", PASSWORD), timeout=30) as client:
                yield client
        finally:
            it.terminate()


def written(folder: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("reference", "current"):
        pd.DataFrame({"age": rng.normal(size=100)}).to_parquet(folder / f"{name}.parquet")
    asked = Question(
        folder / "reference.parquet", folder / "current.parquet", {"age": "numeric"},
        folder / "r.html", folder / "r.json", folder / "workspace", "clip-finetuning / clip",
    )  # fmt: skip
    assert Evidently().report(asked).trouble == ()


def test_it_starts_over_no_workspace_and_shows_what_is_written_later(tmp_path: Path):
    with screen(tmp_path) as client:
        assert client.get("/api/projects/").json() == []
        written(tmp_path)
        (project,) = client.get("/api/projects/").json()
        assert project["name"] == "clip-finetuning / clip"
        reports = client.get(f"/api/projects/{project['id']}/reports").json()
        assert len(reports) == 1
        data = client.get(f"/api/projects/{project['id']}/{reports[0]['id']}/data")
        assert data.status_code == 200
        assert "age" in data.text
        page = client.get("/").text
        assert '<div id="root">' in page
        assert 'src="http' not in page
        assert client.delete(f"/api/projects/{project['id']}").status_code == 403
        assert client.get("/api/projects/", auth=("me", "wrong")).status_code == 401
        written(tmp_path)
        assert len(client.get(f"/api/projects/{project['id']}/reports").json()) == 2
        gone = tmp_path / "workspace" / project["id"] / "snapshots" / f"{reports[0]['id']}.json"
        gone.unlink()
        (left,) = client.get(f"/api/projects/{project['id']}/reports").json()
        assert left["id"] != reports[0]["id"]
        gone.with_name("0199d6a1-0000-7000-8000-000000000000.json").write_text('{"half')
        assert len(client.get(f"/api/projects/{project['id']}/reports").json()) == 1
