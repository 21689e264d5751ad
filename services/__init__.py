"""Everything that is not a screen; never imports streamlit."""
