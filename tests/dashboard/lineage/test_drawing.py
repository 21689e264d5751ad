"""The drawing of a thread: boxes left to right, lines once, names as text."""

import base64
import re

from dashboard.charts.theme import Colours
from dashboard.lineage import drawing, looks
from services.lineage.models import Link, Mark, Node, Ref, Thread

HUES = Colours((), (), (), *(f"#{n:06x}" for n in range(9)))
DATA, FLOW, RUN, VERSION = (
    Ref("data", "d"), Ref("workflow", "a/b"), Ref("run", "r"), Ref("version", "p/m:1"),
)  # fmt: skip
LINKS = (
    Link(DATA, FLOW, "was used by"), Link(DATA, RUN, "was read by"), Link(FLOW, RUN, "made"),
    Link(RUN, VERSION, "was registered as"),
)  # fmt: skip


def node(ref: Ref, **more: object) -> Node:
    return Node(**{"ref": ref, "title": ref.key, "project": "p", "said": "fine", **more})  # type: ignore[arg-type]


def thread(*nodes: Node) -> Thread:
    there = {one.ref for one in nodes}
    links = tuple(one for one in LINKS if {one.before, one.after} <= there)
    return Thread(nodes[0], nodes, links, (), (), 0, ())


def lefts(html: str) -> list[int]:
    return [
        int(px) for px in re.findall(r"position:absolute;left:(\d+)px;top:[\d.]+px;width", html)
    ]


def test_a_line_beside_a_longer_way_is_left_out():
    assert (DATA.id, RUN.id) not in drawing.shown(LINKS)
    assert len(drawing.shown(LINKS)) == 3


def test_things_stand_left_to_right_as_they_came_of_each_other():
    html = drawing.html(thread(*(node(one) for one in (DATA, FLOW, RUN, VERSION))), HUES)
    found = lefts(html)
    assert found == sorted(found)
    assert len(set(found)) == 4
    assert html.count('aria-current="true"') == 1


def test_bad_broken_and_unknown_are_told_by_sign_word_and_colour():
    mark = Mark(DATA, "p", "wrong", "ana", 1.0, None)
    nodes = (
        node(DATA, mark=mark), node(FLOW, state="gone"), node(RUN, under=("data:d",)),
        node(VERSION, state="unknown"),
    )  # fmt: skip
    html = drawing.html(thread(*nodes), HUES)
    for one, told in zip(nodes, ("⚑ bad", "✕ broken", "⚐ from bad", "? unknown"), strict=True):
        assert f'<b style="color:{looks.tone(looks.word(one), HUES)}">{told}</b>' in html
    assert "dashed" in html
    svg = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()
    assert f'stroke="{HUES.warn}"' in svg


def test_names_are_text():
    html = drawing.html(thread(node(DATA, title='<img src=x onerror="a">', said="<b>")), HUES)
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_of_a_search_the_runs_that_led_to_a_version_are_drawn():
    others = tuple(Ref("run", f"r{number}") for number in range(3))
    models = Ref("models", "m")
    links = (
        *LINKS, *(Link(FLOW, one, "made") for one in others),
        *(Link(one, models, "wrote") for one in (RUN, *others)),
    )  # fmt: skip
    nodes = tuple(node(one) for one in (DATA, FLOW, RUN, *others, VERSION, models))
    whole = Thread(nodes[0], nodes, links, (), (), 0, ())
    assert drawing.folded(whole) == set(others)
    html = drawing.html(whole, HUES)
    assert html.count('role="listitem"') == 5
    # What is looked at, and what is marked, is drawn all the same.
    mark = Mark(others[1], "p", "wrong", "ana", 1.0, None)
    marked = tuple(node(one.ref, mark=mark) if one.ref == others[1] else one for one in nodes)
    assert drawing.folded(Thread(node(others[0]), marked, links, (), (), 0, ())) == {others[2]}
    # Where none led to a version, all are: there is nothing to tell them apart by.
    early = tuple(one for one in links if one.after != VERSION)
    assert not drawing.folded(Thread(nodes[0], nodes, early, (), (), 0, ()))
