from hypothesis import given
from hypothesis import strategies as st

from dashboard.registry.search import Wanted, aliases_of, formats_of, matching
from tests.dashboard.registry.versions import model, version

MODELS = (
    model(version(1, 0.5, champion=True), name="lora", project="a"),
    model(version(1, 0.5, format_name=None, technique="pruning"), name="small", project="b"),
    model(name="empty", project="b"),
)
wanted = st.builds(
    Wanted,
    project=st.sampled_from([None, "a", "b"]),
    formats=st.lists(st.sampled_from(formats_of(MODELS))).map(tuple),
    aliases=st.lists(st.sampled_from(aliases_of(MODELS))).map(tuple),
    text=st.sampled_from(["", "lora", "LORA", "pruning", "vision small", "nothing at all"]),
)


def names(found) -> list[str]:
    return [m.name for m in found]


@given(wanted)
def test_a_filter_only_takes_away_and_keeps_the_order(what: Wanted):
    found = matching(MODELS, what)

    assert [m for m in MODELS if m in found] == list(found)
    assert matching(found, what) == found


def test_no_filter_lets_all_pass():
    assert matching(MODELS, Wanted()) == MODELS
    assert not Wanted(project="a").any


def test_every_filter_must_match():
    assert names(matching(MODELS, Wanted("b"))) == ["small", "empty"]
    assert names(matching(MODELS, Wanted(formats=("not reported",)))) == ["small"]
    assert names(matching(MODELS, Wanted(aliases=("champion",)))) == ["lora"]
    assert names(matching(MODELS, Wanted(text="PRUN small"))) == ["small"]
    assert matching(MODELS, Wanted("b", aliases=("champion",))) == ()


def test_a_tag_is_found_and_how_a_version_was_delivered_is_not():
    tags = {"team": "speech", "mlops.registration": "f00dcafe", "mlops.git.commit": "abc123"}
    tagged = (model(version(1, tags=tags)),)
    assert matching(tagged, Wanted(text="speech abc123")) == tagged
    assert matching(tagged, Wanted(text="f00dcafe")) == ()
