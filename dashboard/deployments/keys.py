"""API keys of a project: who may ask its models, made, shown once, revoked."""

import shlex
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import actions, status
from dashboard.components.actions import Proposal
from dashboard.deployments import access
from dashboard.numbers import age, moment, number
from dashboard.text import plain
from services.actions.api_keys import CONCURRENCY, RATE_PER_S, AddApiKey, RevokeApiKey
from services.actions.own_keys import is_own
from services.serving import store
from services.serving.looking import Deployment
from services.serving.store import ALL_PROJECTS, ApiKey

_MADE = "deployment:key"
_LASTING = {"never": None, "30 days": 30, "90 days": 90, "1 year": 365}
_SHOWN = 50


def draw(seen: Deployment, off: str | None) -> None:
    """Draw the project's keys, and the button that makes one."""
    project = seen.project
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"Whoever asks a model of **{plain(project)}** sends a key. It counts for all the "
            "project's models, or for those it names.",
            width="stretch",
        )
        _add(project, seen.model, off)
    found = tuple(one for one in access.keys((project,)) if _worth(one))
    if not found:
        st.caption("The project has no key yet: applications cannot ask its models.")
    now = time.time()
    for one in found[:_SHOWN]:
        _key(one, off, now)
    if len(found) > _SHOWN:
        st.caption(f"{len(found) - _SHOWN:,} older ones: `mlops keys list`.")


def _worth(one: ApiKey) -> bool:
    """Return whether a key is listed: those of the platform's own asking only while they count."""
    return not is_own(one) or one.good(time.time())


def _key(one: ApiKey, off: str | None, now: float) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", border=True, key=f"key-{one.id}"
    ):
        word, why = standing(one, now)
        st.markdown(f"**{plain(one.name, 80)}**", width="content")
        status.badge(_LOOKS[word], word, why=why)
        st.caption(" · ".join(_facts(one)), width="stretch")
        if one.revoked_at is None:
            _revoke(one, off)


_LOOKS = {"good": "ok", "revoked": "disabled", "ended": "stale"}


def standing(one: ApiKey, now: float) -> tuple[str, str]:
    """Return whether a key counts, in a word, and since or until when."""
    zone = state.zone()
    if one.revoked_at is not None:
        return "revoked", f"On {moment(datetime.fromtimestamp(one.revoked_at, UTC), zone)}."
    if one.expires_at is not None and one.expires_at <= now:
        return "ended", f"On {moment(datetime.fromtimestamp(one.expires_at, UTC), zone)}."
    if one.expires_at is not None:
        return "good", f"Until {moment(datetime.fromtimestamp(one.expires_at, UTC), zone)}."
    return "good", "It does not end by itself."


def _facts(one: ApiKey) -> list[str]:
    models = "all models" if one.models is None else ", ".join(plain(m, 40) for m in one.models)
    if one.project == ALL_PROJECTS:
        models = "all models of all projects"
    made = age(datetime.fromtimestamp(one.created_at, UTC))
    until = ""
    if one.expires_at is not None and one.revoked_at is None:
        until = f"ends {age(datetime.fromtimestamp(one.expires_at, UTC))}"
    facts = [
        f"{store.KEY_PREFIX}{one.id}_…".replace("_", "\\_"),
        models,
        f"{number(one.rate_per_s, 3)}/s, {one.concurrency} at once",
        f"made {made} by {plain(one.created_by, 40)}",
        until,
    ]
    return [fact for fact in facts if fact]


def _revoke(one: ApiKey, off: str | None) -> None:
    action = RevokeApiKey(one.project, one.id)
    why = actions.why_not(RevokeApiKey, project=action.project, off=off)
    actions.button(
        "Revoke",
        Proposal(
            f"Revoke the key “{one.name}”",
            lambda: action,
            "Revoke",
            f"mlops keys revoke {one.id}",
        ),
        key=f"key-revoke-{one.id}",
        icon="key_off",
        off=why,
        kind="tertiary",
    )


# A new one


def _add(project: str, model: str, off: str | None) -> None:
    why = actions.why_not(AddApiKey, project=project, off=off)
    actions.button(
        "Add a key",
        Proposal(
            f"A key for {project}",
            partial(_fields, project, model),
            "Make it",
            f"mlops keys add {shlex.quote(project)} NAME",
            after=_show,
        ),
        key="key-add",
        icon="key",
        off=why,
    )


def _fields(project: str, model: str) -> AddApiKey | None:
    """Draw the fields. The key is made here and kept with the session: the journal has its hash."""
    name = st.text_input(
        "Name", key="key-name", max_chars=120, placeholder="The application that uses it",
        live="300ms",
    ).strip()  # fmt: skip
    only = st.toggle(f"Only for {plain(model, 60)}", key="key-only")
    left, middle, right = st.columns(3)
    with left:
        rate = st.number_input(
            "Requests a second", 0.1, 1e6, RATE_PER_S, format="%g", key="key-rate"
        )
    with middle:
        many = st.number_input("At once", 1, 10_000, CONCURRENCY, key="key-many")
    with right:
        lasting = st.selectbox("Ends after", list(_LASTING), key="key-lasting")
    if not name:
        return None
    key_id, _, kept = _fresh()
    days = _LASTING[lasting]
    until = None if days is None else _day_in(days)
    return AddApiKey(
        project, name, key_id, kept, (model,) if only else None, float(rate), int(many), until
    )


def _day_in(days: int) -> float:
    """Return the end of a day: the same through all drawings of the dialog."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=days + 1)).timestamp()


def _fresh() -> tuple[str, str, str]:
    """Return the key of this dialog; another dialog makes another."""
    opened = actions.opened()
    held = st.session_state.get(_MADE)
    if held is None or held[0] != opened:
        held = st.session_state[_MADE] = (opened, store.new_key())
    made: tuple[str, str, str] = held[1]
    return made


def _show() -> None:
    """Draw the key, once: whoever closes the dialog does not see it again."""
    held: tuple[str, tuple[str, str, str]] | None = st.session_state.get(_MADE)
    if held is None or held[0] != actions.opened():
        return
    st.markdown("**The key.** It is shown only here: keep it where the application finds it.")
    st.code(held[1][1], language=None, wrap_lines=True)
