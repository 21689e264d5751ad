"""What must be there before an engine can start is made while all others start."""

import sys
import time

from services.platform import processes
from services.platform.engines import Setup
from tests.services.platform.conftest import engine, free_port, kept, live, small_spec, wait_until


def program(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


def setting_up(home, code: str, **changes: object):
    """Return a spec whose set-up runs ``code`` until there is a file ``made``."""
    made = home.run / "made"

    def missing() -> str:
        return "" if made.exists() else "Something has to be made."

    setup = Setup(missing, program(code.format(made=str(made))), **changes)
    return small_spec("small", free_port(), setup=setup), made


def test_it_is_set_up_before_it_starts_and_says_what_it_does(home):
    code = (
        "import sys, time, pathlib; sys.stderr.write('Installing.\\n'); sys.stderr.flush();"
        "time.sleep(0.4); pathlib.Path({made!r}).touch()"
    )
    spec, made = setting_up(home, code)
    with kept(home, spec) as supervisor:
        wait_until(lambda: engine(supervisor).detail == "Installing.")
        assert engine(supervisor).phase == "starting"
        assert not made.exists()
        assert live(supervisor).ends == 0
        assert made.exists()


def test_what_is_set_up_is_started_at_once(home):
    spec, made = setting_up(home, "raise SystemExit(1)")
    made.touch()
    with kept(home, spec) as supervisor:
        assert live(supervisor).ends == 0


def test_a_failed_set_up_is_a_sentence_tried_again_and_stops_nobody_else(home):
    code = (
        "import sys; sys.stderr.write('much\\nThe packages could not be fetched.\\n'); sys.exit(1)"
    )
    spec, made = setting_up(home, code)
    other = small_spec("other", free_port())
    with kept(home, spec, other) as supervisor:
        live(supervisor, "other")
        wait_until(lambda: engine(supervisor).phase == "failing")
        said = engine(supervisor).detail
        assert said.startswith("It could not be set up. The packages could not be fetched.")
        assert "Next try in" in said
        assert engine(supervisor, "other").phase == "live"
        made.touch()
        live(supervisor)


def test_a_part_waits_for_what_another_engine_makes(home):
    made = home.run / "made"
    setup = Setup(lambda: "" if made.exists() else "Its environment has to be made.")
    part = small_spec("part", free_port(), setup=setup, start_timeout_s=0.2)
    with kept(home, part) as supervisor:
        wait_until(lambda: engine(supervisor, "part").detail == "Its environment has to be made.")
        time.sleep(0.5)  # longer than it may take to start
        assert engine(supervisor, "part").phase == "starting"
        assert engine(supervisor, "part").leader is None
        made.touch()
        assert live(supervisor, "part").ends == 0


def test_stopping_ends_a_set_up_that_is_under_way(home):
    spec, _ = setting_up(home, "import time; time.sleep(600)")
    with kept(home, spec):
        (process,) = wait_until(lambda: processes.marked(home.root, "small"))
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert not process.is_running()
    assert processes.marked(home.root) == []


def test_a_set_up_that_takes_too_long_is_ended(home):
    spec, _ = setting_up(home, "import time; time.sleep(600)", timeout_s=0.2)
    with kept(home, spec) as supervisor:
        wait_until(lambda: "not set up within" in engine(supervisor).detail)


def test_starting_an_engine_again_starts_its_parts_again(home):
    whole = small_spec("airflow", free_port())
    part = small_spec("airflow-scheduler", free_port())
    other = small_spec("other", free_port())
    with kept(home, whole, part, other) as supervisor:
        before = {name: live(supervisor, name).leader for name in ("airflow", "airflow-scheduler")}
        kept_one = live(supervisor, "other").leader
        (home.run / "requests").mkdir(exist_ok=True)
        (home.run / "requests" / "restart-airflow").touch()
        for name, leader in before.items():
            wait_until(
                lambda name=name, leader=leader: (
                    (now := engine(supervisor, name)).phase == "live" and now.leader != leader
                )
            )
        assert engine(supervisor, "other").leader == kept_one


def test_nothing_is_held_against_a_part_of_which_nothing_is_known(home):
    """Its process goes on, however long who would tell is away."""
    from dataclasses import replace

    from services.platform.probes import Answer

    well = [Answer(ready=True)]
    spec = small_spec("part", free_port(), hang_timeout_s=0.2)
    spec = replace(spec, ready=lambda started_at: well[0])
    with kept(home, spec) as supervisor:
        first = live(supervisor, "part")
        well[0] = Answer(ready=False, detail="Nobody tells.", unknown=True)
        wait_until(lambda: engine(supervisor, "part").phase == "unresponsive")
        time.sleep(0.6)
        assert engine(supervisor, "part").leader == first.leader
        well[0] = Answer(ready=False, detail="It is silent.")
        wait_until(lambda: engine(supervisor, "part").ends == 1)
