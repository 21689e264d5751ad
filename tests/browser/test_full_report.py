"""Evidently's full report on the real server: for people signed in, in a sandbox, and offline."""

import httpx
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from dashboard import routes
from services.access import Access
from services.engines.evidently.adapter import Evidently
from services.engines.evidently.models import Question
from services.home import Home
from services.monitoring import folder
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore, verdict_id
from services.settings import Settings
from tests.browser.conftest import PASSWORD, Served, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

AT = 1_795_953_600.0
PROJECT = "cpu-compression"
TAG = "</script><script>document.title = 'taken'</script>"
HOSTILE = """<!doctype html><title>Report</title><pre id=said></pre><script>
const said = [];
const attempt = (name, what) => { try { said.push(name + ": " + what()); }
  catch (error) { said.push(name + ": " + error.name); } };
attempt("origin", () => self.origin);
attempt("cookie", () => document.cookie);
attempt("storage", () => localStorage.length);
attempt("parent", () => parent === self ? "none" : parent.document.title);
attempt("popup", () => String(window.open("/")));
fetch("/_stcore/health").then(() => "answered", () => "refused").then((answer) => {
  said.push("fetch: " + answer);
  document.getElementById("said").textContent = said.join("\\n");
});
</script>"""


def recorded(home: Home, project: str, content: str | None) -> str:
    """Keep a verdict, with a report where there is content; return its id."""
    one = Verdict(
        verdict_id(AT), project, "m", 1, "data", AT, "evaluation", AT - 3600, AT, 20, (), 0.0,
        "none", "steady", "said",
    )  # fmt: skip
    path = folder.reports(home, project, "m", AT) / f"{one.id}.html"
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        one = one.with_report(str(path.relative_to(folder.base(home))))
    store = VerdictStore(home)
    store.record([one])
    store.close()
    return one.id


def asked(served: Served, path: str, name: str = "", **headers: str) -> httpx.Response:
    """Ask the server, as somebody who is signed in when a name is given."""
    cookies = {}
    if name:
        access = Access.open(Settings())
        ticket = access.sign_in(name, PASSWORD, "127.0.0.1")
        cookies = {routes.cookie_name(): access.redeem(ticket.value)}
    return httpx.get(f"{served.url}{path}", cookies=cookies, headers=headers, timeout=20)


def test_every_role_reads_it_with_a_policy_of_its_own(served: Served):
    path = f"/monitoring/report/{recorded(served.home, PROJECT, HOSTILE)}"
    for name in ("viewer", "operator", "approver", "admin"):
        answer = asked(served, path, name)
        assert answer.status_code == 200
        assert answer.text == HOSTILE
    (policy,) = answer.headers.get_list("content-security-policy")
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy
    assert "frame-ancestors 'self'" in policy
    assert answer.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert answer.headers.get_list("cross-origin-opener-policy") == ["unsafe-none"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_nobody_reads_it_without_signing_in(served: Served):
    path = f"/monitoring/report/{recorded(served.home, PROJECT, 'secret')}"
    for headers in ({}, {"cookie": f"{routes.cookie_name()}=forged"}):
        answer = asked(served, path, **headers)
        assert answer.status_code == 401
        assert "secret" not in answer.text
        assert "You are not signed in" in answer.text
    assert httpx.post(f"{served.url}{path}").status_code in {403, 404, 405}


def test_a_person_of_another_project_is_told_that_there_is_none(served: Served):
    path = f"/monitoring/report/{recorded(served.home, PROJECT, 'secret')}"
    own = f"/monitoring/report/{recorded(served.home, 'clip-finetuning', 'own')}"
    answer = asked(served, path, "scoped")
    assert answer.status_code == 404
    assert "There is no such check in the projects you see." in answer.text
    assert asked(served, own, "scoped").text == "own"


def test_what_is_missing_or_was_removed_is_a_sentence(served: Served):
    bare = recorded(served.home, PROJECT, None)
    assert (
        "No full report was written" in asked(served, f"/monitoring/report/{bare}", "viewer").text
    )
    gone = recorded(served.home, PROJECT, "x")
    next(folder.base(served.home).glob(f"reports/**/{gone}.html")).unlink()
    answer = asked(served, f"/monitoring/report/{gone}", "viewer")
    assert answer.status_code == 410
    assert "kept for 30 days" in answer.text


@pytest.mark.parametrize(
    "said",
    [
        "..%2F..%2Fverdicts.db",
        "%2e%2e/%2e%2e/secrets/cookie.key",
        "x%00",
        "%3Cscript%3E",
        "a" * 3000,
    ],
)
def test_no_path_leads_to_another_file(served: Served, said: str):
    answer = asked(served, f"/monitoring/report/{said}", "admin")
    key = (served.home.databases / "journal.sqlite").read_bytes()[:16]
    assert answer.status_code in {200, 400, 404}
    assert key not in answer.content
    assert b"<script>" not in answer.content or b"Streamlit" in answer.content


def test_scripts_of_a_report_reach_nothing_of_ours(page: Page, served: Served):
    one = recorded(served.home, PROJECT, HOSTILE)
    sign_in(page, "/projects")
    page.goto(f"/monitoring/report/{one}")
    said = page.locator("#said")
    expect(said).to_contain_text("fetch: refused")
    for line in ("origin: null", "cookie: SecurityError", "storage: SecurityError", "popup: null"):
        expect(said).to_contain_text(line)


def test_our_pages_may_frame_it_and_it_cannot_look_out(page: Page, served: Served):
    one = recorded(served.home, PROJECT, HOSTILE)
    sign_in(page, "/projects")
    page.evaluate(
        """(src) => { const frame = document.createElement("iframe");
        frame.id = "report"; frame.src = src; document.body.append(frame); }""",
        f"/monitoring/report/{one}",
    )
    said = page.frame_locator("#report").locator("#said")
    expect(said).to_contain_text("parent: SecurityError")
    expect(said).to_contain_text("fetch: refused")


def test_a_link_in_a_message_opens_it_for_who_is_signed_in(page: Page, served: Served):
    one = recorded(served.home, PROJECT, HOSTILE)
    sign_in(page, "/projects")
    link = f"<a href='{served.url}/monitoring/report/{one}'>Report</a>"
    page.route("http://mail.test/", lambda way: way.fulfill(body=link, content_type="text/html"))
    page.goto("http://mail.test/")
    page.get_by_text("Report").click()
    expect(page.locator("#said")).to_contain_text("origin: null")


def test_the_library_draws_its_report_there_and_asks_for_nothing(page: Page, served: Served):
    """Evidently itself, in the sandbox: its tables and plots are there, no request leaves."""
    one = recorded(served.home, PROJECT, "")
    path = next(folder.base(served.home).glob(f"reports/**/{one}.html"))
    rng = np.random.default_rng(0)
    tables = []
    for number, name in enumerate(("reference", "current")):
        cities = [TAG, "Ulm"] * 300
        table = pd.DataFrame({"age": rng.normal(number, size=600), f"city {TAG}": cities})
        tables.append(path.with_suffix(f".{name}.parquet"))
        table.to_parquet(tables[-1])
    labels = path.with_suffix(".labels.parquet")
    pd.DataFrame({"target": [TAG, "b"] * 50, "prediction": [TAG] * 100}).to_parquet(labels)
    asked = Question(
        *tables, {"age": "numeric", f"city {TAG}": "category"}, path, path.with_suffix(".json"),
        task="classification", labels=(None, labels), notes=("3 more columns are *not* drawn.",),
    )  # fmt: skip
    assert Evidently().report(asked).trouble == ()
    sign_in(page, "/projects")
    left, faults = [], []
    page.on("request", lambda sent: left.append(sent.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"/monitoring/report/{one}")
    expect(page.get_by_text("3 more columns are *not* drawn.")).to_be_visible()
    expect(page.get_by_text("Confusion Matrix").first).to_be_visible()
    expect(page.get_by_text("Drift in column 'age'").first).to_be_visible()
    expect(page.get_by_text("Drift in column 'city <").first).to_be_visible()
    expect(page.locator("svg.main-svg").first).to_be_visible()
    elsewhere = [url for url in left if not url.startswith(("data:", "blob:"))]
    assert elsewhere == [f"{served.url}/monitoring/report/{one}"]
    assert faults == []
    assert page.title() != "taken"
