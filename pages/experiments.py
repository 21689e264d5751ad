"""Experiments: every run of every project in one table."""
import streamlit as st
from dashboard import scope, state
from dashboard.experiments import address, table, columns, sparklines
from services.mirror.models import RunQuery

st.title("Experiments")
view, notices = address.arrive()
for n in notices: st.warning(n)
def q():
    st.query_params
@st.fragment
def body():
    view, _ = address.current()
    projects = state.projects()
    primaries = {p.id: p.primary_metric for p in projects if p.primary_metric}
    fields = state.fields(scope.current().project)
    cols = view.columns or columns.default_columns(fields, columns.primary_metrics(projects), several_projects=True)
    extra = tuple(c for c in cols if c != "main_metric") + columns.primary_metrics(projects)
    page = state.runs(RunQuery(filter=view.filter, sort=view.sort, descending=view.descending, offset=(view.page-1)*50, columns=extra))
    keys = sparklines.candidates(page.rows, primaries)
    curves, chosen = sparklines.main_curves(page.rows, state.mirror().curves([r.run_id for r in page.rows], keys, 32), keys, primaries)
    table.draw(page.rows, view, cols, table.Sparklines(curves, "curve", str(chosen)), primaries)
body()
