"""Whether Airflow can be asked to do something: told once, above what the mirror holds."""

import streamlit as st

from dashboard import state
from dashboard.components import notices

OFF = "Airflow is switched off in this installation, and with it all workflows."


def notice() -> str | None:
    """Draw why workflows stand still, if they do; return why actions on them are off."""
    if not state.settings().airflow_enabled:
        st.info(
            f"**{OFF}** Set `airflow_enabled` to true in settings.toml, then `mlops up`. What ran "
            "before is below.",
            icon=":material/power_settings_new:",
        )
        return OFF
    return notices.engine_notice("airflow", "controller")
