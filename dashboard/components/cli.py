"""What does the same without the screen."""

import streamlit as st


def command_line(*lines: str) -> None:
    """Draw the commands that do what the page does, folded away."""
    with st.expander("Do this from the command line", icon=":material/terminal:"):
        st.code("\n".join(lines), language="shell")
