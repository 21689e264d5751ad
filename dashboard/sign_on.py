"""Single sign-on beside the form: the provider says who somebody is, the rest stays ours."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from dashboard import sign_on_answers, state
from dashboard.text import plain
from services.errors import EngineError, MlopsError, PlatformError
from services.home import Home
from services.platform import sign_on
from services.platform.sign_on import Provider

if TYPE_CHECKING:
    from services.access import Identity, Ticket

_SAID = "sign-on-said"
_ENDINGS = {
    sign_on_answers.UNREACHABLE: "The identity provider does not answer. "
    "Sign in with your password, or try again later.",
    sign_on_answers.REFUSED: "The identity provider did not sign you in.",
    sign_on_answers.FAILED: "Single sign-on was not completed. Try again; "
    "if it stays so, an admin finds why with `mlops logs dashboard`.",
}


def draw() -> "Ticket | None":
    """Offer the identity provider; return a ticket when it has just vouched for the person."""
    try:
        provider = sign_on.read(Home.locate())
    except PlatformError:
        # The reason names files: it is for the admin.
        st.caption("Single sign-on is not set up correctly; `mlops doctor` tells an admin why.")
        return None
    if provider is None:
        return None
    ticket = _vouched()
    if ticket is None:
        _offer(provider)
    return ticket


def _vouched() -> "Ticket | None":
    said = st.user.to_dict()
    if not said.get("is_logged_in"):
        return None
    try:
        return state.access().vouched(identity(said), state.address())
    except MlopsError as error:
        _say(error)
        return None


def identity(said: Mapping[str, object]) -> "Identity":
    """Return what the provider's token says of the person."""
    from services.access import Identity

    issued = said.get("iat")
    return Identity(
        address=str(said.get("email") or ""),
        # Some providers write it as a word. One that leaves it out has verified nothing.
        verified=said.get("email_verified") in (True, "true"),
        sign_in="\n".join(str(said.get(key)) for key in ("iss", "sub", "nonce", "iat")),
        issued_s=float(issued) if isinstance(issued, int | float) else 0.0,
    )


def _offer(provider: Provider) -> None:
    ended = st.query_params.pop(sign_on_answers.PARAMETER, "")
    if ended in _ENDINGS:
        st.session_state[_SAID] = _ENDINGS[ended]
    origin = provider.origin(int(st.get_option("server.port")))
    here = urlsplit(st.context.url or origin)
    if f"{here.scheme}://{here.netloc}" != origin:
        # The provider comes back to that address, and cookies of this one do not go along.
        st.caption(f"For single sign-on, open the dashboard at {origin}.")
        return
    if st.button("Single sign-on", icon=":material/key:", width="stretch"):
        st.session_state.pop(_SAID, None)
        _go(provider)
    if _SAID in st.session_state:
        st.error(st.session_state[_SAID], icon=":material/error:")


def _go(provider: Provider) -> None:
    """Send the browser to the provider, if it is there: from then on the page is not ours."""
    try:
        sign_on.ask(provider)
    except EngineError as error:
        _say(error)
    else:
        st.login()


def _say(error: MlopsError) -> None:
    # The hint is ours alone, and may have code in it; an address in the message is not.
    st.session_state[_SAID] = f"{plain(error.message, limit=300)} {error.hint}".strip()
