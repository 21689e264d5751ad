"""Entry script: page config, sign-in, navigation."""

import streamlit as st

from dashboard import navigation, routes, shell, signin, state

# An icon by name would be fetched from elsewhere; ours is a file.
st.set_page_config(
    page_title="EfficientAI MLOps",
    page_icon=str(routes.LOGO),
    layout="wide",
)

person = state.who()
page = st.navigation(
    navigation.menu(admin=person is not None and person.role == "admin"),
    position="sidebar" if person else "hidden",
    expanded=True,
)
if person is None:
    signin.draw()
else:
    shell.draw(person, page)
