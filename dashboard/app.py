"""Entry script: page config, sign-in, navigation."""

import streamlit as st

from dashboard import images, navigation, shell, signin, state

# An icon by name would be fetched from elsewhere; ours is a file.
st.set_page_config(
    page_title="EfficientAI MLOps",
    page_icon=images.MARK,
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
