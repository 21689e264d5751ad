"""The drawing: what perhaps came from bad is dashed; runs that only loaded a version are folded."""

import base64
import re

from dashboard.lineage import drawing, looks
from services.lineage.models import Link, Mark, Node, Ref, Thread
from tests.dashboard.lineage.test_drawing import HUES, node

DATA, LATER = Ref("data", "d"), Ref("data", "e")
RUN, LOADER, TUNED = (Ref("run", name) for name in "rlt")
FIRST, SECOND = Ref("version", "p/m:1"), Ref("version", "p/m:2")
LINKS = (
    Link(DATA, LATER, "has 1 of 3 files in", "some"), Link(LATER, RUN, "was read by"),
    Link(RUN, FIRST, "was registered as"), Link(FIRST, LOADER, "was loaded by", "some"),
    Link(FIRST, TUNED, "was the base of"), Link(TUNED, SECOND, "was registered as"),
)  # fmt: skip


def thread(start: Ref, **more: dict[str, object]) -> Thread:
    refs = (DATA, LATER, RUN, FIRST, LOADER, TUNED, SECOND)
    nodes = [node(one, **more.get(one.key, {})) for one in refs]
    at = next(one for one in nodes if one.ref == start)
    return Thread(at, tuple(nodes), LINKS, (), (), 0, ())


def test_what_perhaps_came_from_bad_is_dashed_and_says_so():
    bad = Mark(DATA, "p", "wrong", "ana", 1.0, None)
    html = drawing.html(
        thread(FIRST, d={"mark": bad}, e={"perhaps": ("data:d",)}, r={"perhaps": ("data:d",)}), HUES
    )
    assert f'<b style="color:{HUES.warn}">⚐ maybe from bad</b>' in html
    assert f"1px dashed {HUES.warn}" in html
    svg = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()
    sure, maybe = re.findall(rf'<path d="([^"]*)" stroke="{HUES.warn}"', svg)
    assert not sure
    assert maybe.count("M") == 2  # from the marked data to the later, and on to its run


def test_a_thing_that_surely_came_from_bad_is_not_told_as_perhaps():
    one = Node(FIRST, "m", "p", "", under=("data:d",), perhaps=("data:e",))
    assert looks.word(one) == "from bad"


def test_a_run_that_only_loaded_a_version_is_not_drawn():
    assert drawing.folded(thread(FIRST)) == {LOADER}
    assert drawing.folded(thread(FIRST, l={"perhaps": ("data:d",)})) == {LOADER}
    assert drawing.folded(thread(LOADER)) == frozenset()
    assert drawing.folded(thread(FIRST, l={"under": ("data:d",)})) == frozenset()
    assert drawing.folded(thread(FIRST, l={"state": "gone"})) == frozenset()
