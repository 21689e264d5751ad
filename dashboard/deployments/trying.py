"""Try it: a question made from the schema goes through the gateway, and its answer is drawn."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import streamlit as st

from dashboard import state
from dashboard.components import notices
from dashboard.deployments import access, answer, few_shot, form, gateway, standing
from dashboard.numbers import number
from dashboard.text import plain
from services.actions.own_keys import own_key
from services.actions.roles import reason_against
from services.errors import MlopsError
from services.serving.looking import Deployment
from services.serving.models import BundleInfo
from services.serving.routes import Route
from services.serving.visiting import Answer, Gateway

_HELD = "try:answer"
_AS_SPLIT = "as the traffic is split"
_MOST_TOKENS, _TOKENS = 1_000, 120


@dataclass(frozen=True, slots=True)
class Held:
    """What was answered last, and to what."""

    name: str
    info: BundleInfo
    answer: Answer
    told: str = ""
    """What was said of it as feedback."""
    examples: int = 0
    """So many rows of it are examples that came with the question."""


def draw(seen: Deployment) -> None:
    """Draw the form and the answer."""
    way = access.route(seen.name)
    info = access.schema_of(way, None)
    if way is None or info is None:
        notices.empty(
            "It cannot be asked yet",
            "The gateway has no version of it to send a question to. The form is made from what a "
            "version takes as soon as one answers.",
            icon="science",
        )
        return
    st.fragment(_draw)(seen, way)


def _draw(seen: Deployment, way: Route) -> None:
    try:
        left, right = st.columns([1, 1], gap="large")
        with left:
            version = _version(way)
            info = access.schema_of(way, version)
            if info is not None:
                _ask(seen, info, version)
        with right:
            _last(seen)
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def _version(way: Route) -> int | None:
    names = [_AS_SPLIT, *(f"version {number}" for number in sorted(way.versions, reverse=True))]
    if len(names) <= 2:
        return None
    chosen = st.segmented_control(
        "Ask",
        names,
        default=_AS_SPLIT,
        required=True,
        wrap=True,
        key=f"try:{way.name}:version",
    )
    return None if chosen in {None, _AS_SPLIT} else int(str(chosen).rpartition(" ")[2])


def _ask(seen: Deployment, info: BundleInfo, version: int | None) -> None:
    key = f"try:{seen.name}:{info.version}"
    taught = few_shot.lesson(info)
    question = few_shot.draw(info, taught, key) if taught else form.draw(info, key)
    most = _TOKENS
    if info.interface == "text" and info.stream:
        most = st.slider("Length, in tokens at most", 1, _MOST_TOKENS, _TOKENS, key=f"{key}:most")
    off = why_not(seen)
    asked = st.button(
        "Ask",
        key="try-ask",
        type="primary",
        icon=":material/send:",
        disabled=off is not None or question is None,
        help=plain(off, 300) if off else None,
    )
    if not asked or question is None:
        return
    st.session_state.pop(_HELD, None)
    with gateway.connected(own_key(state.context(), state.actor(), seen.project)) as asks:
        if info.interface == "text" and info.stream:
            found = _stream(asks, seen, question, most, version)
        else:
            with st.spinner("Asking"):
                found = asks.infer(seen.name, question.columns, info.inputs, version)
    st.session_state[_HELD] = Held(seen.name, info, found, examples=question.examples)


def why_not(seen: Deployment) -> str | None:
    """Return why the person cannot ask it, None when they can."""
    told = reason_against(state.actor(), "operator", seen.project, "Asking a deployed model")
    return told or standing.gateway_reason(access.picture(seen.project))


def _stream(
    asks: Gateway, seen: Deployment, question: form.Question, most: int, version: int | None
) -> Answer:
    prompt = str(next(iter(question.columns.values()))[0])
    place = st.empty()
    text = ""
    for piece in asks.write(seen.name, prompt, most, version):
        if isinstance(piece, Answer):
            place.empty()
            whole = piece.text if piece.text.startswith(prompt) else prompt + piece.text
            return replace(piece, text=whole)
        text += piece
        with place.container():
            answer.written(text)
    raise MlopsError("The gateway ended the text without a word.", "Ask again.")


def _last(seen: Deployment) -> None:
    held = st.session_state.get(_HELD)
    if not isinstance(held, Held) or held.name != seen.name:
        st.caption("The answer stands here, with the version that gave it and how long it took.")
        return
    with st.container(border=True, key="try-answer"):
        answer.draw(answer.without(held.answer, held.examples), held.info)
        st.caption(" · ".join(_facts(held.answer)))
        if held.answer.request_id:
            st.caption("Request id, for the prediction log and for feedback")
            st.code(held.answer.request_id, language=None)
        _feedback(held)


def _facts(found: Answer) -> Iterator[str]:
    yield f"{number(found.latency_ms, 3)} ms from here and back"
    if found.first_ms is not None:
        yield f"first text after {number(found.first_ms, 3)} ms"
    if found.tokens is not None and found.latency_ms:
        per_s = found.tokens / found.latency_ms * 1000
        yield f"{found.tokens:,} tokens, {number(per_s, 3)} a second"
    if found.version is not None:
        yield f"version {found.version}"
    if found.backend:
        yield plain(found.backend, 20)


def _feedback(held: Held) -> None:
    """Draw what is told of the answer; it is kept with the prediction."""
    if not held.answer.request_id:
        return
    place = st.empty()
    told = held.told
    if not told:
        with place.container():
            told = _asked_for_feedback(held)
    if told:
        place.caption(f":material/check: Kept: {plain(told, 80)}.")


def _asked_for_feedback(held: Held) -> str:
    """Draw the buttons; return what was told just now, empty when nothing was."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        right = st.button("Right", key="try-right", icon=":material/thumb_up:")
        truth = st.text_input(
            "What is right", key="try-truth", placeholder="What is right", max_chars=200,
            label_visibility="collapsed", width=160,
        ).strip()  # fmt: skip
        wrong = st.button("Wrong", key="try-wrong", icon=":material/thumb_down:")
    if right:
        return _tell(held, _own(held.answer), "the answer was right")
    if wrong:
        told = f"it should be {truth}" if truth else "it was wrong"
        return _tell(held, truth or {"right": False}, told)
    return ""


def _own(found: Answer) -> object:
    """Return the answer's own label: what is right is what it said."""
    label = found.output("label")
    if label is not None and len(label.data) == 1:
        return label.data[0]
    return {"right": True}


def _tell(held: Held, label: object, told: str) -> str:
    with gateway.connected(own_key(state.context(), state.actor(), held.info.project)) as asks:
        asks.feedback(held.name, held.answer.request_id, label)
    st.session_state[_HELD] = replace(held, told=told)
    return told
