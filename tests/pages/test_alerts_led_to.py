"""The history says what each alert led to."""

import time

from dashboard import state
from services.retraining import store as retrainings
from tests.alerts_seed import DRIFT, LORA
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said
from tests.services.retraining.things import evidence, proposal

__all__ = ["scene"]


def test_the_history_leads_to_the_retrainings_of_each_alert(scene: Scene, open_page: Open):
    alert = scene()[DRIFT]
    before = said(open_page("alerts", mirror="empty", view="history"))
    assert "Led to" in before
    assert "Retraining" not in before
    for number, why in enumerate(("first <b>", "second", "third"), 1):
        draft = proposal(
            0, project=LORA, model=LORA, alert_id=alert.id, created_at=time.time(), why=why,
            state="promoted" if number == 1 else "dropped", ended_at=time.time(),
            evidence=(evidence(alert.id, at=float(number)),),
        )  # fmt: skip
        retrainings.put(state.journal(), draft)
    told = said(open_page("alerts", mirror="as it is", view="history"))
    assert "Retraining 3 dropped" in told
    assert "Retraining 2 dropped" in told
    assert "and 1 before" in told
    assert "/monitoring?retraining=3" in told
    assert "first <b>" not in told
