"""Run."""
import streamlit as st
st.title("Run")
st.write(st.query_params.to_dict())
