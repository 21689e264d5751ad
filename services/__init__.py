"""Everything that is not a screen: engines, mirror, actions, controller, platform. Never imports streamlit."""
