import hashlib
import json
import stat
import threading

import pytest

from services.errors import InputError, PlatformError
from services.home import Home
from services.platform import secrets


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def tokens(home):
    return json.loads((home.secrets / "mlflow-tokens.json").read_text())


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def test_secrets_are_made_once_and_closed_to_others(home):
    secrets.ensure(home)
    files = {path.name: path.read_text() for path in home.secrets.iterdir()}
    assert set(files) == {
        ".lock",
        "airflow-api.key",
        "airflow-fernet.key",
        "airflow-jwt.key",
        "airflow-passwords.json",
        "cookie.key",
        "evidently-people.token",
        "mlflow-flask.key",
        "mlflow-people.token",
        "mlflow-platform.token",
        "mlflow-tokens.json",
    }
    assert mode(home.secrets) == 0o700
    assert {mode(path) for path in home.secrets.iterdir()} == {0o600}
    secrets.ensure(home)
    assert {path.name: path.read_text() for path in home.secrets.iterdir()} == files


def test_the_platform_and_people_reach_every_workspace(home):
    secrets.ensure(home)
    platform = secrets.read_secret(home, "mlflow-platform.token")
    people = secrets.read_secret(home, "mlflow-people.token")
    assert len(platform) >= 43
    assert tokens(home) == {
        digest(platform): {"name": "platform", "workspace": None},
        digest(people): {"name": "people", "workspace": None},
    }


def test_a_project_gets_one_token_for_its_own_workspace(home):
    secrets.ensure(home)
    token = secrets.project_token(home, "lora-finetuning")
    assert secrets.project_token(home, "lora-finetuning") == token
    assert secrets.project_token(home, "clip-finetuning") != token
    holder = {"name": "lora-finetuning", "workspace": "lora-finetuning"}
    assert tokens(home)[digest(token)] == holder
    assert len(tokens(home)) == 4


def test_a_project_named_like_the_platform_stays_in_its_workspace(home):
    secrets.ensure(home)
    token = secrets.project_token(home, "platform")
    assert tokens(home)[digest(token)] == {"name": "platform", "workspace": "platform"}


@pytest.mark.parametrize("name", ["", "..", "a/../b", "A", "with space", "x" * 10_000, "a\n"])
def test_an_impossible_project_id_is_refused(home, name):
    with pytest.raises(InputError, match="not a project id"):
        secrets.project_token(home, name)


def test_many_projects_at_once_lose_no_token(home):
    names = [f"project-{number}" for number in range(8)]
    threads = [threading.Thread(target=secrets.project_token, args=(home, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {holder["name"] for holder in tokens(home).values()} == set(names)


def test_a_wrong_mode_is_mended(home):
    secrets.ensure(home)
    home.secrets.chmod(0o755)
    (home.secrets / "cookie.key").chmod(0o644)
    secrets.ensure(home)
    assert mode(home.secrets) == 0o700
    assert mode(home.secrets / "cookie.key") == 0o600


def test_garbage_in_the_token_list_is_set_aside_and_made_anew(home, caplog):
    secrets.ensure(home)
    before = tokens(home)
    (home.secrets / "mlflow-tokens.json").write_text("{{{")
    secrets.ensure(home)
    assert tokens(home) == before
    assert "set aside" in caplog.text


def test_an_empty_secret_of_a_cut_off_start_is_made(home):
    (home.secrets / "cookie.key").touch()
    secrets.ensure(home)
    assert secrets.read_secret(home, "cookie.key")


def test_a_missing_secret_is_a_sentence(home):
    with pytest.raises(PlatformError, match="mlops up"):
        secrets.read_secret(home, "nothing.key")


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match="cannot be used"):
        secrets.ensure(Home(tmp_path / "file" / "home"))


def test_airflows_users_get_passwords_that_a_person_may_change(home):
    secrets.ensure(home)
    path = secrets.airflow_passwords(home)
    made = json.loads(path.read_text())
    assert set(made) == {"admin", "platform"}
    assert len(made["admin"]) >= 43
    path.write_text(json.dumps(made | {"admin": "chosen", "guest": "theirs"}))
    secrets.ensure(home)
    assert json.loads(path.read_text()) == made | {"admin": "chosen", "guest": "theirs"}
    assert secrets.airflow_password(home, "admin") == "chosen"
    with pytest.raises(PlatformError, match="no password of nobody"):
        secrets.airflow_password(home, "nobody")
