"""The dialog that deploys a version: which, how, with how much, and what then happens."""

import shlex
from collections.abc import Sequence
from functools import partial
from typing import Literal

import streamlit as st

from dashboard import navigation, state
from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.deployments import access, progress, room
from dashboard.text import plain
from services.actions import roles
from services.actions.deploy import AUTO, BACKENDS, Deploy
from services.actions.roles import Role
from services.mirror.models import ModelVersion
from services.mirror.projects import CHAMPION
from services.monitoring.limits import LEAST
from services.serving.looking import Deployment
from services.serving.models import Strategy

_STRATEGIES: dict[Strategy, str] = {
    "blue-green": "All at once",
    "canary": "Canary",
    "shadow": "Shadow",
}
_HELP = (
    "All at once: loaded beside, checked, then every request goes to it, and back if a guard "
    "speaks. Canary: a part of the requests first. Shadow: asked beside the live version, nobody "
    "gets its answers."
)
_WATCHES = (0, 10, 30, 60, 120, 300, 900, 3_600)
_MOST = 64


def why_not(role: Role | str, project: str, off: str | None) -> str | None:
    """Return why the person cannot do what takes a role, None when they can."""
    if off is not None:
        return off
    return roles.reason_against(state.actor(), roles.role_of(role), project, "This") or None


def button(
    project: str,
    model: str,
    *,
    off: str | None,
    key: str,
    label: str = "Deploy",
    version: int | None = None,
    primary: bool = True,
) -> None:
    """Draw the button; off, with the reason, for who may not or when it cannot be."""
    versions = access.versions_of(project, model)
    why = why_not(Deploy.role, project, off)
    if not why and not versions:
        why = "The model has no version that could be deployed."
    where = shlex.quote(f"{project}/{model}")
    which = f":{version}" if version is not None else f"@{CHAMPION}"
    actions.button(
        label,
        Proposal(
            f"Deploy {model}",
            partial(fields, project, model, versions, version),
            "Deploy",
            f"mlops deploy {where}{which}",
            during=partial(progress.draw, f"{project}.{model}"),
            after=partial(_link, f"{project}.{model}"),
        ),
        key=key,
        icon="rocket_launch",
        off=why,
        kind="primary" if primary else "secondary",
    )


def picker(project: str | None, off: str | None) -> None:
    """Draw the choice of a registered model, and the button that deploys it."""
    known = {f"{one.project}/{one.name}": one for one in state.models(project) if one.versions}
    why = off or (None if known else "No model is registered yet.")
    with st.popover(
        "Deploy a model",
        icon=":material/rocket_launch:",
        disabled=why is not None,
        help=plain(why, 300) if why else None,
    ):
        chosen = st.selectbox(
            "Model", list(known), index=None, key="deploy-model", placeholder="Project and model"
        )
        one = known.get(chosen or "")
        if one is not None:
            button(
                one.project, one.name, off=access.why_busy(one.project, one.name),
                key="deploy-chosen", label="Choose how",
            )  # fmt: skip


def _link(name: str) -> None:
    navigation.link("deployments", "To the deployment", icon="arrow_forward", deployment=name)


def fields(
    project: str, model: str, versions: Sequence[ModelVersion], wanted: int | None
) -> Deploy | None:
    """Draw the fields; return the action, None while it cannot be made."""
    now = access.one(f"{project}.{model}")
    live = now.version if now is not None and now.live is not None else None
    number = _version(versions, wanted, live)
    if number is None:
        return None
    strategy, percent, header = _strategy(live)
    least, most = _replicas(now)
    with st.expander("Resources and guards", icon=":material/tune:"):
        backend = _backend()
        memory_gb = st.number_input(
            "Memory of a replica, GB", 0.01, 1024.0, None, format="%g", key="deploy-memory",
            placeholder="As planned", help="Empty: what is planned, from measured peaks.",
        )  # fmt: skip
        batch = st.number_input(
            "Rows asked together, at most", 1, 4096, None, key="deploy-batch",
            placeholder="As now" if live else "32",
        )  # fmt: skip
        privacy = _privacy() if live is None else ""
        guards = _guards()
    if least > most:
        st.caption("It cannot have more replicas at least than at most.")
        return None
    wish = Deploy(
        project,
        model,
        number,
        strategy=strategy,
        percent=percent,
        header=header,
        min_replicas=least,
        max_replicas=most,
        memory_gb=memory_gb,
        backend=backend,  # type: ignore[arg-type]  # one of the words
        max_batch=None if batch is None else int(batch),
        privacy=privacy,
        watch_s=_watch(),
        **guards,  # type: ignore[arg-type]  # the figures of the guards
    )
    room.draw(wish)
    told = why_not(wish.needed_role, project, None)
    if told:
        st.warning(plain(told, 300), icon=":material/lock:")
        return None
    return wish


def _version(versions: Sequence[ModelVersion], wanted: int | None, live: int | None) -> int | None:
    known = {one.version: one for one in versions}
    options = [number for number in known if number != live]
    if not options:
        st.caption(f"Version {live} is live, and the model has no other one.")
        return None
    first = wanted if wanted in options else _first(options, known)
    if wanted == live and live is not None:
        st.caption(f"Version {live} is live already: choose another one, or scale it.")
    return st.selectbox(
        "Version",
        options,
        index=options.index(first),
        key="deploy-version",
        format_func=lambda number: _named(known[number]),
    )


def _first(options: Sequence[int], known: dict[int, ModelVersion]) -> int:
    champion = next((n for n in options if CHAMPION in known[n].aliases), None)
    return options[0] if champion is None else champion


def _named(one: ModelVersion) -> str:
    parts = [
        f"Version {one.version}",
        ", ".join(one.aliases),
        one.technique or "",
        one.format or "",
    ]
    return " · ".join(part for part in parts if part)


def _strategy(live: int | None) -> tuple[Strategy, float | None, bool]:
    if live is None:
        st.caption("It has no live version yet: it answers all requests as soon as it is checked.")
        return "blue-green", None, False
    words = list(_STRATEGIES.values())
    chosen = st.segmented_control(
        "How", words, default=words[0], required=True, key="deploy-strategy", help=_HELP
    )
    strategy = next(name for name, word in _STRATEGIES.items() if word == chosen)
    if strategy != "canary":
        return strategy, None, False
    header = st.toggle(
        "Only requests that name it (X-Model-Version)", key="deploy-header",
        help="Nobody is answered by it who did not ask for it.",
    )  # fmt: skip
    if header:
        return strategy, None, True
    share = st.slider(
        "Of the requests, in percent", 1, 100, 10, key="deploy-percent",
        help="More than 50 % takes an approver.",
    )  # fmt: skip
    return strategy, float(share), False


def _replicas(now: Deployment | None) -> tuple[int, int]:
    left, middle, right = st.columns(3)
    with left:
        least = st.number_input(
            "Replicas at least", 0, _MOST, now.min_replicas if now else 1, key="deploy-min",
            help="0: it sleeps while nobody asks.",
        )  # fmt: skip
    with middle:
        most = st.number_input(
            "At most", 1, _MOST, max(1, now.max_replicas) if now else 1, key="deploy-max",
            help="As many when requests wait, as long as there is memory.",
        )  # fmt: skip
    with right:
        st.selectbox(
            "Watched for", _WATCHES, index=_WATCHES.index(30), key="deploy-watch",
            format_func=_seconds, help="So long after the switch a guard takes it back by itself.",
        )  # fmt: skip
    return int(least), int(most)


def _watch() -> float:
    return float(st.session_state.get("deploy-watch", 30))


def _seconds(count: int) -> str:
    if not count:
        return "not watched"
    return f"{count} s" if count < 120 else f"{count // 60} min"


def _backend() -> str:
    words = {"By the rule": AUTO, "MLX": "mlx", "PyTorch MPS": "mps", "CUDA": "cuda", "CPU": "cpu"}
    assert set(words.values()) == {AUTO, *BACKENDS}  # noqa: S101 - the words and the backends agree
    chosen = st.segmented_control(
        "Backend", list(words), default="By the rule", required=True, key="deploy-backend"
    )
    return words[str(chosen)]


def _privacy() -> Literal["", "full", "hash", "off"]:
    """Draw what the prediction log is to keep; later it is changed for the whole project."""
    words: dict[str, Literal["", "full", "hash", "off"]] = {
        "As its project's others": "", "Everything": "full", "Hashes": "hash", "Nothing": "off",
    }  # fmt: skip
    chosen = st.segmented_control(
        "The prediction log keeps", list(words), default="As its project's others", required=True,
        wrap=True, key="deploy-privacy",
        help="Of what is asked and answered; when, how fast and by which version is always kept.",
    )  # fmt: skip
    return words[str(chosen)]


def _guards() -> dict[str, float | int | None]:
    st.caption("It goes back by itself when, while it is a canary or watched:")
    left, right = st.columns(2)
    with left:
        errors = st.number_input(
            "Errors over, in percent", 0.0, 100.0, 2.0, format="%g", key="deploy-guard-errors",
            placeholder="Not guarded",
        )  # fmt: skip
        memory = st.number_input(
            "Memory over, times what it reserves", 1.0, None, 1.5, format="%g",
            key="deploy-guard-memory", placeholder="Not guarded",
        )  # fmt: skip
    with right:
        latency = st.number_input(
            "p95 over, times that of now", 1.0, None, 3.0, format="%g",
            key="deploy-guard-latency", placeholder="Not guarded",
        )  # fmt: skip
        heat = st.number_input(
            "Thermal level over, of 0 to 4", 0, 4, 2, key="deploy-guard-heat",
            placeholder="Not guarded",
        )  # fmt: skip
    drift = st.number_input(
        "Columns of its answers that drift over, in percent", 0.0, 100.0, None, format="%g",
        key="deploy-guard-drift", placeholder="Not guarded",
        help="Its answers are compared with those of the version that is live; it takes "
             f"{LEAST} predictions of each.",
    )  # fmt: skip
    return {
        "max_error_share": None if errors is None else errors / 100,
        "max_latency_ratio": latency,
        "max_memory_ratio": memory,
        "max_thermal_level": heat,
        "max_drift": None if drift is None else drift / 100,
    }
