"""Saved views of the table of all runs: kept, shared, opened."""

import json
from dataclasses import replace

from dashboard import state
from dashboard.experiments.saved_views import from_query, to_query
from dashboard.experiments.view import View
from dashboard.scope import Scope
from services.actions import audit, views
from services.mirror.store import Store
from tests.pages.conftest import Open, rows


def test_a_view_and_its_scope_come_back_from_what_is_kept():
    view = View(filter="a = b", sort="metrics.x", columns=("technique",), page=3, selected=("a",))
    query = to_query(view, Scope("clip-finetuning", "7d"))
    kept, where = from_query(query)
    assert kept == replace(view, page=1, selected=())
    assert where == {"project": "clip-finetuning", "range": "7d"}


def test_own_and_shared_views_are_listed(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine")
    book = state.journal()
    views.save_view(book, "mira", "experiments", "mine", "q=lora", shared=False)
    views.save_view(book, "otto", "experiments", "theirs", "q=x", shared=True)
    views.save_view(book, "otto", "experiments", "secret", "q=y", shared=False)
    app.button(key="exp-views").click().run()
    assert not app.exception
    labels = [button.label for button in app.button]
    assert "mine" in labels
    assert "theirs" in labels
    assert "secret" not in labels
    keys = [str(button.key) for button in app.button]
    assert "exp-v-delete-mira:mine" in keys
    assert "exp-v-delete-otto:theirs" not in keys


def test_opening_a_view_shows_it_with_its_scope(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine")
    query = to_query(View(filter="technique = frozen"), Scope("clip-finetuning", "30d"))
    views.save_view(state.journal(), "mira", "experiments", "frozen", query, shared=False)
    app.button(key="exp-views").click().run()
    app.button(key="exp-v-open-mira:frozen").click().run()
    assert app.query_params["q"] == "technique = frozen"
    assert app.query_params["project"] == "clip-finetuning"
    assert app.query_params["range"] == "30d"
    assert set(rows(app)["technique"]) == {"frozen"}


def test_a_view_is_saved_replaced_shared_and_deleted(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="technique = frozen")
    app.button(key="exp-views").click().run()
    app.text_input(key="exp-v-name").set_value("Frozen <b>")
    app.button(key="exp-views").click().run()
    app.button(key="exp-v-save").click().run()
    (saved,) = views.list_views(state.journal(), "mira", "experiments")
    assert saved[1] == "Frozen <b>"
    assert "technique" in saved[2]
    app.button(key="exp-views").click().run()
    app.button(key="exp-v-group_add-mira:Frozen <b>").click().run()
    assert views.list_views(state.journal(), "mira", "experiments")[0][3]
    app.button(key="exp-views").click().run()
    app.button(key="exp-v-delete-mira:Frozen <b>").click().run()
    assert views.list_views(state.journal(), "mira", "experiments") == ()
    done = [entry.what for entry in reversed(audit.entries(state.journal(), what="view."))]
    assert done == ["view.saved", "view.shared", "view.deleted"]


def test_what_somebody_kept_cannot_break_the_page(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine")
    for name, query in (("a", "p=x&sort=<b>"), ("b", "%%%"), ("c", json.dumps({}))):
        views.save_view(state.journal(), "mira", "experiments", name, query, shared=False)
    for name in ("a", "b", "c"):
        app.button(key="exp-views").click().run()
        app.button(key=f"exp-v-open-mira:{name}").click().run()
        assert not app.exception
