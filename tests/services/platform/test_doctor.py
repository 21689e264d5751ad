import os
import socket
import sys

import pytest

from services.home import Home
from services.platform import doctor, processes, room, secrets
from services.platform.files import write_json
from services.process_identity import Identity


def found(check, home):
    return list(check(home))


def test_a_healthy_home_has_no_error_of_its_own(home):
    secrets.ensure(home)
    for check in (doctor.home_folder, doctor.secrets_folder, doctor.settings, doctor.leftovers):
        assert [one.level for one in found(check, home)] == ["ok"]


def test_everything_that_is_found_has_words_and_errors_come_first(home):
    findings = doctor.examine(home)
    assert all(one.what and one.meaning for one in findings)
    assert all(one.mend for one in findings if one.level != "ok")
    levels = [one.level for one in findings]
    assert levels == sorted(levels, key=["error", "warning", "ok"].index)


def test_a_package_below_the_safe_minimum_is_an_error(home, monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda package: "2.58.9" if package == "ray" else "9")
    errors = [one for one in found(doctor.package_versions, home) if one.level == "error"]
    assert [one.what for one in errors] == ["ray"]
    assert "2.59" in errors[0].meaning


def test_a_missing_package_is_an_error(home, monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda package: "")
    assert {one.level for one in found(doctor.package_versions, home)} == {"error"}


@pytest.mark.parametrize(
    ("free", "level"),
    [(1 << 20, "error"), (1 << 27, "error"), (1 << 30, "warning"), (1 << 40, "ok")],
)
def test_little_disk_is_said(home, monkeypatch, free, level):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert [one.level for one in found(doctor.disk, home)] == [level]


def test_a_full_disk_says_what_that_means_for_training(home, monkeypatch):
    usage = type("Usage", (), {"free": room.FULL_BYTES - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    (finding,) = found(doctor.disk, home)
    assert finding.meaning == room.full_disk(home.root, room.FULL_BYTES - 1)
    assert "training goes on" in finding.meaning
    assert finding.mend == room.MEND


def test_secrets_others_can_read_are_an_error_that_names_them(home):
    secrets.ensure(home)
    (home.secrets / "cookie.key").chmod(0o644)
    (finding,) = found(doctor.secrets_folder, home)
    assert finding.level == "error"
    assert "cookie.key" in finding.meaning
    assert "chmod" in finding.mend


def test_a_taken_port_is_named_with_its_holder(home, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("MLOPS_MLFLOW_PORT", str(port))
        finding = next(one for one in found(doctor.wished_ports, home) if str(port) in one.what)
    assert finding.level == "warning"
    assert f"pid {os.getpid()}" in finding.meaning


def test_the_dashboard_does_not_take_itself_for_a_stranger_on_its_port(home, monkeypatch):
    monkeypatch.setenv(processes.MARK, processes.mark(home.root, "dashboard"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("MLOPS_DASHBOARD_PORT", str(port))
        finding = next(one for one in found(doctor.wished_ports, home) if str(port) in one.what)
    assert (finding.level, finding.meaning) == ("ok", "used by our own dashboard")


def test_garbage_files_are_named(home):
    (home.run / "ports.json").write_text("{")
    (home.run / "state.json").write_text("[]")
    assert [one.what for one in found(doctor.state_files, home)] == ["state.json", "ports.json"]


def test_a_wrong_setting_is_named(home, monkeypatch):
    monkeypatch.setenv("MLOPS_DASHBOARD_PORT", "0")
    (finding,) = found(doctor.settings, home)
    assert finding.level == "error"
    assert "dashboard_port" in finding.meaning


def test_processes_without_a_supervisor_are_named(home):
    me = Identity.of(os.getpid())
    leader = {"pid": me.pid, "created": me.created}
    write_json(home.run / "state.json", {"engines": [{"name": "mlflow", "leader": leader}]})
    (finding,) = found(doctor.leftovers, home)
    assert finding.level == "warning"
    assert str(me.pid) in finding.meaning
    assert "mlops down" in finding.mend


def test_a_mac_without_macmon_is_told(home, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("shutil.which", lambda name: None)
    (finding,) = found(doctor.apple_silicon, home)
    assert finding.mend == "brew install macmon"


def test_missing_tools_are_errors(home, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert [one.what for one in found(doctor.tools, home) if one.level == "error"] == ["uv", "git"]


def test_an_old_sqlite_is_explained(home, monkeypatch):
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 40, 1))
    (finding,) = found(doctor.sqlite, home)
    assert finding.level == "warning"
    assert "3.51.3" in finding.meaning
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 51, 3))
    assert [one.level for one in found(doctor.sqlite, home)] == ["ok"]


def test_a_python_out_of_range_is_an_error(home, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert [one.level for one in found(doctor.python_version, home)] == ["error"]


def test_a_home_nobody_may_write_is_an_error(home, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    (finding,) = found(doctor.home_folder, Home(home.root / "new"))
    assert finding.level == "error"
    assert "MLOPS_HOME" in finding.mend


def test_a_changed_pin_makes_the_environment_stale(home, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "toolkit_root", lambda: tmp_path)
    assert [one.level for one in found(doctor.environment, home)] == ["warning"]
    (tmp_path / ".venv").mkdir()
    assert [one.level for one in found(doctor.environment, home)] == ["error"]
    monkeypatch.setattr(doctor, "is_current", lambda root, group: True)
    assert [one.level for one in found(doctor.environment, home)] == ["ok"]


def test_telemetry_on_this_machine_alone_is_fine(home):
    (finding,) = found(doctor.telemetry_way_in, home)
    assert (finding.level, finding.meaning) == ("ok", "listens on this machine alone")


def test_telemetry_for_other_machines_without_tls_is_a_warning(home, monkeypatch):
    monkeypatch.setenv("MLOPS_TELEMETRY_LISTEN", "192.0.2.7")
    (finding,) = found(doctor.telemetry_way_in, home)
    assert finding.level == "warning"
    assert finding.meaning.startswith("listens on 192.0.2.7 without TLS")
    assert "ssh -N -L" in finding.mend


def test_telemetry_with_a_certificate_is_fine_when_that_can_be_read(home, monkeypatch, tmp_path):
    monkeypatch.setenv("MLOPS_TELEMETRY_LISTEN", "192.0.2.7")
    for name in ("certificate", "key"):
        monkeypatch.setenv(f"MLOPS_TELEMETRY_{name.upper()}", str(tmp_path / name))
    (finding,) = found(doctor.telemetry_way_in, home)
    assert (finding.level, "cannot be read" in finding.meaning) == ("error", True)
    for name in ("certificate", "key"):
        (tmp_path / name).touch()
    assert [one.level for one in found(doctor.telemetry_way_in, home)] == ["ok"]
