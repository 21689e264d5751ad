"""Signing in: the form and bcrypt check of streamlit-authenticator, our own sessions behind it."""

import json
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import images, routes, sign_on, state
from dashboard.components import dialogs
from dashboard.text import plain
from services.errors import MlopsError

if TYPE_CHECKING:
    from services.access import Ticket

_FIELDS = {
    "Form name": "Sign in",
    "Username": "User name",
    "Password": "Password",
    "Login": "Sign in",
}


class _Check:
    """What the form calls when it is sent: our own check with its lockout, not the library's."""

    def __init__(self) -> None:
        self.ticket: Ticket | None = None
        self.error: MlopsError | None = None

    def login(self, username: str, password: str, *_: object, **__: object) -> bool:
        """Check the password; False also on success, or the form would set its own cookie."""
        if not username or not password:
            self.error = MlopsError("Enter both your user name and your password.")
            return False
        try:
            self.ticket = state.access().sign_in(username, password, state.address())
        except MlopsError as error:
            self.error = error
        return False


class _NoCookie:
    """The library's cookie replays after sign-out; there is none."""

    def get_cookie(self) -> None:
        """Know of no cookie."""


def draw() -> None:
    """Draw the sign-in page; on success the browser posts its ticket and comes back here."""
    _, middle, _ = st.columns([1, 1.1, 1])
    with middle:
        st.space("large")
        st.image(images.MARK, width=44)
        st.title("EfficientAI MLOps")
        st.caption("Experiments, models and projects of the toolkit on one screen.")
        check = _form()
        ticket = check.ticket or sign_on.draw()
        if ticket is not None:
            st.success("Signed in. One moment …", icon=":material/check_circle:")
            _post(routes.SIGN_IN, ticket=ticket.value)
        elif check.error is not None:
            st.error(_sentence(check.error), icon=":material/error:")
        with st.expander("No account, or the password is lost?", icon=":material/help:"):
            st.markdown(
                "`mlops up` printed the first admin's password once. An admin makes accounts and "
                "gives new passwords on the Admin page, or on the machine itself:"
            )
            st.code("mlops users add NAME --role viewer", language="shell")


def _form() -> _Check:
    from streamlit_authenticator import Authenticate

    check = _Check()
    form = object.__new__(
        Authenticate
    )  # its constructor would mount a component that reads cookies
    form.attrs = {"login_sleep_time": 0}
    form.path = None
    form.secret_key = ""
    form.cookie_controller = _NoCookie()
    form.authentication_controller = check
    form.login(location="main", fields=_FIELDS, key="sign-in")
    return check


def _sentence(error: MlopsError) -> str:
    return plain(f"{error.message} {error.hint}".strip(), limit=400)


def leave() -> None:
    """End this session here and now, then let the browser drop its cookie."""
    state.access().sign_out(state.cookie())
    _post(routes.SIGN_OUT)
    st.stop()


def _post(path: str, **fields: str) -> None:
    """Have the browser post a form of our own, with the present address to come back to."""
    values = json.dumps({"path": path, "fields": fields}).replace("<", "\\u003c")
    st.html(
        f"""<script>(() => {{
          const {{path, fields}} = {values};
          const form = Object.assign(document.createElement("form"), {{method: "post"}});
          form.setAttribute("action", path);
          fields.next = location.pathname + location.search;
          for (const [name, value] of Object.entries(fields)) {{
            const input = document.createElement("input");
            form.append(Object.assign(input, {{type: "hidden", name, value}}));
          }}
          document.body.append(form);
          form.submit();
        }})()</script>""",
        unsafe_allow_javascript=True,
    )


@dialogs.dialog("Change password", icon=":material/password:")
def change_password() -> None:
    """Ask for the old and the new password; every other session of the person ends."""
    with st.form("change-password", border=False):
        old = st.text_input("Present password", type="password", autocomplete="current-password")
        new = st.text_input(
            "New password",
            type="password",
            autocomplete="new-password",
            help="12 characters or more.",
        )
        again = st.text_input("New password again", type="password", autocomplete="new-password")
        sent = st.form_submit_button("Change password", type="primary")
    st.caption("Sessions of yours on other devices end; this one stays.")
    if not sent:
        return
    if new != again:
        st.error("The two new passwords differ.")
        return
    try:
        state.access().change_password(state.cookie(), old, new)
    except MlopsError as error:
        st.error(_sentence(error))
        return
    st.success("The password is changed.", icon=":material/check_circle:")
