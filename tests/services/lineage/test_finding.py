"""What a person means by a text."""

import pytest

from services.lineage.models import Ref, ref_of
from services.mirror.queries import Mirror
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, LORA, RETRAIN, RUN, TRAIN
from tests.services.lineage.conftest import Asker

V1 = f"version:{LORA}/{LORA}:1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"run:{RUN}", [f"run:{RUN}"]),
        (RUN, [f"run:{RUN}"]),
        (RUN[:6], [f"run:{RUN}"]),
        (f"  {RUN}\n", [f"run:{RUN}"]),
        (DATA, [f"data:{DATA}"]),
        (DATA[:5], [f"data:{DATA}"]),
        (seed.MODELS, [f"models:{seed.MODELS}"]),
        (f"{LORA}/{LORA}:2", [f"version:{LORA}/{LORA}:2"]),
        (f"{LORA}/{LORA}@champion", [V1]),
        (f"{LORA}/{LORA}", [V1]),
        (f"{LORA}.{LORA}", [V1]),
        (LORA, [V1]),
        (f"{CLIP}/{CLIP}", [f"version:{CLIP}/{CLIP}:1"]),
        (f"{LORA}/{LORA}@nobody", []),
        (f"{TRAIN}/one", [f"workflow:{TRAIN}/one"]),
        ("two", [f"workflow:{RETRAIN}/two"]),
        (TRAIN, [f"workflow:{TRAIN}/one"]),
        ("v-1", ["verdict:v-1"]),
        ("a-1", ["alert:a-1"]),
        ("r-1", ["retraining:r-1"]),
        ("run-01", [f"run:{RUN}"]),
        ("", []),
        ("ab", []),
        ("%", []),
        ("x" * 900, []),
        ("no such thing", []),
    ],
)
def test_a_text_finds(ask: Asker, text: str, found: list[str]):
    assert [one.id for one in ask().find(text)] == found


@pytest.mark.parametrize("text", [seed.SHARED, f"{CLIP}/{CLIP}:1", CLIP, seed.OTHER_DATA, "round"])
def test_of_other_projects_nothing_is_found(ask: Asker, text: str):
    assert ask((LORA,)).find(text) == ()
    assert ask().find(text)


def test_a_model_that_was_never_promoted_gives_its_newest_version(ask: Asker, mirror: Mirror):
    assert ask().find("federated-learning") == (ref_of("version:federated-learning/"
                                                       "federated-learning:1"),)  # fmt: skip


@pytest.mark.parametrize("text", ["", "run:", "dream:1", "run", "run:" + "x" * 700])
def test_what_is_no_id_is_none(text: str):
    assert ref_of(text) is None


def test_an_id_comes_back_as_it_was_written():
    one = Ref("workflow", f"{TRAIN}/manual__2026-11-03T10:00:00+00:00")
    assert ref_of(one.id) == one
