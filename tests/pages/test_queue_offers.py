"""The page of the queue: what machines offer, seen by all and changed by an administrator."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.home import Home
from services.mirror import schema
from services.mirror.events import now_ms
from services.mirror.workflow_models import Decided
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from services.resources.models import GIB
from services.resources.offers import Offer, Offers
from services.settings import Settings
from tests import queue_seed
from tests.pages.conftest import Open, said
from tests.pages.roles import EVERY_ROLE
from tests.pages.test_queue import opened, queue, queued

__all__ = ["queue", "queued"]
STUDIO, BOOK, MINI = (one.host for one in queue_seed.HOSTS)
Laid = Callable[..., Decided]
Dialog = Callable[[str], None]


@pytest.fixture
def given(home: Home) -> Offer:
    """What the seed's first machine was given."""
    offer = Offer(STUDIO, 2, 54 * GIB, None, "ann", 1_790_000_000.0)
    Offers(home.machines).put(offer)
    return offer


def asked() -> tuple[str, str]:
    (one,) = state.executor().history(kinds=("machine-offer",))
    return one.title, one.state


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_who_may_change_what_a_machine_offers(queue: Laid, open_page: Open, role: str):
    queue()
    app = opened(open_page, role=role)
    assert not app.exception
    assert "An administrator gave 2 heavy slots and 54.0 GB of memory." in said(app)
    button = app.button(key="queue-offer")
    assert button.disabled == (role != "admin")
    if role != "admin":
        assert f"takes the role admin; mira is {role}" in button.help


def test_an_admin_of_some_projects_may_not(queue: Laid, open_page: Open):
    queue()
    button = opened(open_page, role="admin", projects=("lora-finetuning",)).button(
        key="queue-offer"
    )
    assert button.disabled
    assert "the whole platform" in button.help


def test_while_nobody_decides_nothing_is_offered(queue: Laid, open_page: Open):
    queue(12, engine="down")
    app = opened(open_page, role="admin")
    assert app.button(key="queue-offer").disabled
    assert "Airflow" in app.button(key="queue-offer").help


def dialog(queue: Laid, open_page: Open, dialog_open: Dialog) -> AppTest:
    queue()
    dialog_open("queue-offer")
    app = opened(open_page, role="admin")
    assert not app.exception
    return app


def test_the_dialog_tells_what_it_offers_and_what_was_measured(
    queue: Laid, given: Offer, open_page: Open, dialog_open: Dialog
):
    app = dialog(queue, open_page, dialog_open)
    told = said(app)
    assert "An administrator gave 2 heavy slots and 54.0 GB of memory (ann, " in told
    assert (
        "As measured it offers one heavy job at a time and 54.4 GB of memory: 64.0 GB less" in told
    )
    assert app.selectbox(key="queue-offer-host").value == STUDIO
    assert app.number_input(key=f"queue-offer-slots-{STUDIO}").value == given.gpu_slots
    assert app.number_input(key=f"queue-offer-memory-{STUDIO}").value == 54.0
    assert app.number_input(key=f"queue-offer-power-{STUDIO}").value is None
    assert "That is what it offers." in told
    assert app.button(key="acting-do").disabled


@pytest.mark.usefixtures("given")
def test_more_slots_and_less_memory_are_told_and_asked_for(
    queue: Laid, open_page: Open, dialog_open: Dialog
):
    app = dialog(queue, open_page, dialog_open)
    app.number_input(key=f"queue-offer-slots-{STUDIO}").set_value(3)
    app.number_input(key=f"queue-offer-memory-{STUDIO}").set_value(20.0).run()
    told = said(app)
    assert "It takes 3 heavy jobs at a time; now 2." in told
    assert "it has 20.0 GB; now 54.0 GB" in told
    assert "would never start: no machine would fit." not in told  # the second one has room
    app.number_input(key=f"queue-offer-power-{STUDIO}").set_value(60.0).run()
    assert "may draw 60 W; now what they want" in said(app)
    app.button(key="acting-do").click().run()
    title = f"Have {STUDIO} offer 3 heavy slots, 20.0 GB of memory and 60 W to jobs"
    assert asked() == (title, "pending")


@pytest.mark.usefixtures("given")
def test_another_machine_as_it_is_and_back_as_measured(
    queue: Laid, open_page: Open, dialog_open: Dialog
):
    app = dialog(queue, open_page, dialog_open)
    app.selectbox(key="queue-offer-host").set_value(MINI).run()
    assert app.number_input(key=f"queue-offer-slots-{MINI}").value is None
    assert [one.key for one in app.toggle] == []
    app.number_input(key=f"queue-offer-slots-{MINI}").set_value(0).run()
    assert "No heavy job starts there" in said(app)
    app.selectbox(key="queue-offer-host").set_value(STUDIO).run()
    app.toggle(key=f"queue-offer-measured-{STUDIO}").set_value(True).run()
    assert "It takes 1 heavy job at a time; now 2." in said(app)
    app.button(key="acting-do").click().run()
    assert asked() == (f"Have {STUDIO} offer what was measured", "pending")


def test_one_machine_is_not_chosen_and_nobody_has_to_know_its_memory(
    queue: Laid, open_page: Open, dialog_open: Dialog
):
    only = dict(queue().hosts[2]) | {"memory_bytes": None, "free_bytes": None, "total_bytes": None}
    lay(only)
    dialog_open("queue-offer")
    app = opened(open_page, role="admin")
    assert "Change what it offers" in [one.label for one in app.button]
    assert [one.key for one in app.selectbox if one.key == "queue-offer-host"] == []
    assert "and nobody knows how much memory it has; power is not limited" in said(app)
    app.number_input(key=f"queue-offer-memory-{MINI}").set_value(8.0).run()
    assert "it has 8.0 GB; now no memory that anybody knows of" in said(app)


def test_without_machines_there_is_nothing_to_offer(queue: Laid, open_page: Open):
    queue()
    lay()
    app = opened(open_page, role="admin")
    assert "No machine is known to the queue yet" in said(app)
    assert "queue-offer" not in [one.key for one in app.button]


def lay(*hosts: dict[str, object]) -> None:
    """Decide over these machines instead."""
    engine, _ = schema.prepare(Settings().mirror_url)
    picture = {"rows": [], "hosts": list(hosts), "shares": [], "pools": []}
    WorkflowStore(engine).write_picture(QUEUE, now_ms(), picture)
    engine.dispose()


def test_more_than_the_machine_has_is_a_sentence(queue: Laid, open_page: Open, dialog_open: Dialog):
    app = dialog(queue, open_page, dialog_open)
    app.number_input(key=f"queue-offer-memory-{STUDIO}").set_value(64.0).run()
    assert not app.exception
    assert "5.0 GB more than studio" in said(app) + "".join(one.value for one in app.error)
    assert app.button(key="acting-do").disabled
    assert not state.executor().history(kinds=("machine-offer",))
