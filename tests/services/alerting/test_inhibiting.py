"""Which alert explains which, also in circles."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.alerting.inhibiting import inhibited
from services.alerting.models import Alert, Told
from tests.services.alerting.things import NOW, alert, event, ok


def made(key: str, carries: str = "", explains: tuple[str, ...] = (), **said: object) -> Alert:
    labels = {"l": carries} if carries else {}
    tags = tuple(f"l:{one}" for one in explains)
    return alert(event(key, labels=labels, explains=tags, **said))


def test_nothing_explains_itself():
    assert inhibited([made("a", "x", ("x",))]) == {}


def test_a_chain_is_quiet_from_its_second_link_on():
    chain = [made("a", explains=("x",)), made("b", "x", ("y",)), made("c", "y")]
    assert inhibited(chain) == {"b": "a", "c": "b"}


def test_of_two_that_explain_each_other_the_worse_then_the_older_stays():
    one = made("a", "x", ("y",), at=NOW)
    other = made("b", "y", ("x",), at=NOW + 5)
    assert inhibited([one, other]) == {"b": "a"}
    worse = made("b", "y", ("x",), at=NOW + 5, severity="critical")
    assert inhibited([one, worse]) == {"a": "b"}


def test_one_that_people_know_of_as_it_is_stays():
    one = made("a", "x", ("y",), at=NOW)
    other = made("b", "y", ("x",), at=NOW + 5)
    known = replace(other, told={"ops": Told(NOW, "warning")})
    assert inhibited([one, known]) == {"a": "b"}
    unseen = replace(known, condition="unknown")
    assert inhibited([one, unseen]) == {"a": "b"}, "nobody is told twice"
    assert inhibited([one, replace(other, condition="unknown")]) == {"b": "a"}
    worse = replace(one, severity="critical")
    assert inhibited([worse, known]) == {"b": "a"}


def test_what_has_ended_explains_nothing():
    over = alert(event("a", explains=("l:x",)), ok("a"))
    assert inhibited([over, made("b", "x")]) == {}


@st.composite
def webs(draw: st.DrawFn) -> list[Alert]:
    tags = st.sampled_from("uvwxyz")
    return [
        made(f"k{n}", draw(tags), tuple(draw(st.lists(tags, max_size=3))), at=NOW + n)
        for n in range(draw(st.integers(1, 8)))
    ]


@given(webs(), st.randoms())
def test_every_chain_leads_to_one_that_is_told(alerts, random):
    found = inhibited(alerts)
    by_key = {one.key: one for one in alerts}
    for key in found:
        seen = set()
        while key in found:
            assert key not in seen, "a circle in which nobody is told"
            seen.add(key)
            assert by_key[key].tags & set(by_key[found[key]].explains)
            key = found[key]
    # Whoever is told is explained by nobody, or by those alone that it explains in turn.
    for one in alerts:
        explainers = [o.key for o in alerts if o is not one and set(o.explains) & one.tags]
        if one.key not in found:
            assert all(key in found for key in explainers)
    random.shuffle(alerts)
    assert inhibited(alerts) == found
