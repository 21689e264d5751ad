"""What doctor and the admin page say of databases on Postgres."""

import pytest

from services.platform import doctor, storage
from services.settings import Settings
from tests.postgres import PASSWORD, Cluster

HIDDEN = "hidden%40word"


@pytest.fixture(autouse=True)
def made(home):
    home.create()


def test_without_postgres_there_is_nothing_to_say(home):
    assert list(doctor.databases(home)) == []


def test_one_that_does_not_answer_is_an_error_without_the_password(home, monkeypatch):
    monkeypatch.setenv("MLOPS_JOURNAL_URL", f"postgresql://me:{HIDDEN}@127.0.0.1:1/journal")
    (finding,) = doctor.databases(home)
    assert (finding.level, finding.what) == ("error", "journal database")
    assert "127.0.0.1:1/journal cannot be used (connection to server" in finding.meaning
    assert "refused" in finding.meaning
    assert "Postgres runs" in finding.mend
    assert "hidden" not in str(finding)
    parts = storage.measure(home).parts
    assert [(path, size) for what, path, size in parts if what.startswith("Journal")] == [
        ("postgresql+psycopg://me:***@127.0.0.1:1/journal", None)
    ]


@pytest.mark.engine
def test_those_that_answer_are_told_with_version_and_size(
    home, monkeypatch, cluster: Cluster, postgres_name: str
):
    url = cluster.url(postgres_name)
    monkeypatch.setenv("MLOPS_MIRROR_URL", url)
    monkeypatch.setenv("MLOPS_MLFLOW_BACKEND_STORE", cluster.url("postgres"))
    found = list(doctor.databases(home))
    assert [(one.level, one.what) for one in found] == [
        ("ok", "mirror database"),
        ("ok", "MLflow database"),
    ]
    assert f"/{postgres_name}, " in found[0].meaning
    assert PASSWORD not in str(found)
    sizes = {what.partition(",")[0]: size for what, _, size in storage.measure(home).parts}
    assert sizes["Mirror"] is not None
    assert sizes["Mirror"] > 1_000_000
    assert sizes["Journal"] is None


def test_an_mlflow_of_somebody_else_has_no_database_of_ours(home, monkeypatch):
    monkeypatch.setenv("MLOPS_MLFLOW_BACKEND_STORE", "postgresql://me@127.0.0.1:1/mlflow")
    monkeypatch.setenv("MLOPS_MLFLOW_URL", "https://mlflow.example")
    assert list(doctor.databases(home)) == []


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_name_of_postgres_gets_the_installed_driver(monkeypatch, name: str):
    for setting in ("MIRROR_URL", "JOURNAL_URL", "MLFLOW_BACKEND_STORE"):
        monkeypatch.setenv(f"MLOPS_{setting}", f"{name}://me:x@host/{setting.lower()}")
    settings = Settings()
    urls = (settings.mirror_url, settings.journal_url, settings.mlflow_backend_store)
    assert all(url.startswith("postgresql+psycopg://me:x@host/") for url in urls)


@pytest.mark.parametrize(
    ("setting", "url", "said"),
    [
        ("MIRROR_URL", f"mysql://me:{HIDDEN}@host/x", "neither sqlite:///PATH nor postgresql"),
        ("JOURNAL_URL", "postgresql://me:hidden@word:y@host:port/x", "write special characters"),
    ],
)
def test_what_is_no_database_of_ours_is_a_sentence(home, monkeypatch, setting, url, said):
    monkeypatch.setenv(f"MLOPS_{setting}", url)
    (finding,) = [one for one in doctor.settings(home) if one.level == "error"]
    assert said in finding.meaning
    assert f"MLOPS_{setting}" in finding.mend
    assert "hidden" not in str(finding)
    with pytest.raises(ValueError, match=said) as caught:
        Settings()
    assert "hidden" not in str(caught.value)


def test_mirror_and_mlflow_in_one_database_are_refused(home, monkeypatch):
    monkeypatch.setenv("MLOPS_MIRROR_URL", "postgres://me@host/x")
    monkeypatch.setenv("MLOPS_MLFLOW_BACKEND_STORE", "postgresql://me@host/x")
    (finding,) = [one for one in doctor.settings(home) if one.level == "error"]
    assert "mlflow_backend_store is wrong: the mirror is in that database" in finding.meaning
