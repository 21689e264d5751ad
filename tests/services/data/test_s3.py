"""The remote is S3: a local moto server, real DVC, real HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.data.remote import Remote
from services.data.service import DataService
from services.errors import EngineError, EngineUnreachableError
from services.home import Home
from tests.services.data.conftest import cached, content, put
from tests.services.data.test_checkout import FIRST, SECOND, damage
from tests.services.data.test_tracking import md5

pytestmark = [pytest.mark.engine, pytest.mark.slow]
BUCKET = "team-data"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class S3:
    """A moto server that can go away and come back; what it held is gone then, as in memory."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, "moto did not start"
                assert time.monotonic() < end, "moto does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def client(self):
        from botocore.session import get_session

        return get_session().create_client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1"
        )


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    made = S3(free_port())
    made.start()
    made.client().create_bucket(Bucket=BUCKET)
    yield made
    made.stop()


@pytest.fixture
def service(home: Home, s3: S3) -> DataService:
    options = {"endpointurl": f"http://127.0.0.1:{s3.port}", "region": "us-east-1"}
    return DataService(Remote(home, f"s3://{BUCKET}/all", options))


def keys(s3: S3) -> list[str]:
    found = s3.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return [entry["Key"] for entry in found]


def test_to_s3_and_back(service: DataService, s3: S3, home: Home, project: Path):
    first = service.track(project, "data").revision
    put(project, data__a="changed", data__new="new")
    (project / "data" / "sub" / "b").unlink()
    second = service.track(project, "data").revision
    assert first is not None
    assert second is not None
    assert len(service.queue()) == 2
    assert service.push_waiting() == 2
    name = md5("second" * 100)
    assert f"all/files/md5/{name[:2]}/{name[2:]}" in keys(s3)
    assert {v.remote for v in service.versions("one")} == {"there"}
    assert service.push("one", first) == 0

    import shutil

    shutil.rmtree(home.root / "dvc" / "cache")
    service.checkout("one", first)
    assert content(project / "data") == FIRST
    damage(cached(home, md5("first")))
    (project / "data" / "a").unlink()
    service.checkout("one", second)
    assert content(project / "data") == SECOND
    assert service.prune("one").files == 2  # `first` and `second` × 100; the list stays


def test_s3_away_is_queued_and_sent_when_it_is_back(service: DataService, s3: S3, project: Path):
    first = service.track(project, "data").revision
    s3.stop()
    began = time.monotonic()
    with pytest.raises(EngineUnreachableError, match="cannot be reached"):
        service.push_waiting()
    assert time.monotonic() - began < 60
    (waiting,) = service.queue()
    assert (waiting.revision, waiting.tries) == (first, 1)
    assert "cannot be reached" in waiting.reason
    s3.start()
    s3.client().create_bucket(Bucket=BUCKET)
    assert service.push_waiting() == 1
    assert len(keys(s3)) == 4


def test_a_bucket_that_is_not_there_is_a_sentence(home: Home, s3: S3, project: Path):
    options = {"endpointurl": f"http://127.0.0.1:{s3.port}", "region": "us-east-1"}
    service = DataService(Remote(home, "s3://nobodys/x", options))
    service.track(project, "data")
    with pytest.raises(EngineError) as caught:
        service.push_waiting()
    assert "\n" not in caught.value.message
    assert len(service.queue()) == 1
