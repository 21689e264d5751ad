"""Models of the mould, and what tests of their page do with them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.actions import history, schema
from services.actions.history import AliasEvent

GOOD = {"of": "clip-finetuning", "model": "clip-finetuning"}
FAILING = {"of": "self-improving-diffusion", "model": "self-improving-diffusion"}
AS_IT_IS = "as it is"


def moved(version: int | None, actor: str, action_id: int | None, days_ago: float, why: str = ""):
    """Let the champion have moved some days ago."""
    where = ("clip-finetuning", "clip-finetuning", "champion")
    history.record(state.journal(), AliasEvent(*where, version, actor, action_id, why))
    at = datetime.now(UTC) - timedelta(days=days_ago)
    table = schema.registry_events
    newest = max(s.since for s in history.alias_spans(state.journal(), *where))
    with state.journal().write() as connection:
        moment = int(newest.timestamp() * 1000)
        chosen = update(table).where(table.c.at_ms >= moment - 1)
        connection.execute(chosen.values(at_ms=int(at.timestamp() * 1000)))


def button(app: AppTest, key: str):
    return app.button(key=key)
