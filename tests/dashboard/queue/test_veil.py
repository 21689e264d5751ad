import pytest

from dashboard.queue.veil import SOMEBODY, Veil
from tests.dashboard.queue.things import decided, row

TITLES = {"lora": "LoRA", "vision": "Vision net", "vision-large": "Large vision"}
MINE = row()
OTHER = row(
    "vision.train/manual__1/train", "vision", what="Vision net: train", said="vision had 3 %.",
    unblock="The job vision.train/manual__0/train ends.", expected_said="After vision-large.",
)  # fmt: skip
PICTURE = decided(MINE, OTHER, shares=({"project": "lora"}, {"project": "vision-large"}))


def test_who_sees_all_reads_all():
    veil = Veil(None, PICTURE, TITLES)
    assert veil.sees("vision")
    assert veil.row(OTHER) == OTHER
    assert veil.sentence("the job vision.train/x/train") == "the job vision.train/x/train"


@pytest.mark.parametrize("mine", [None, ("vision",)])
def test_a_job_that_stands_on_the_page_is_called_as_there(mine: tuple[str, ...] | None):
    veil = Veil(mine, PICTURE, TITLES)
    told = "It needs the heavy slot of mini, taken by the job vision.train/manual__1/train."
    assert veil.sentence(told) == "It needs the heavy slot of mini, taken by “Vision net: train”."
    found = veil.row(row(said="", unblock="The job vision.train/manual__1/train ends.",
                         project="vision"))  # fmt: skip
    assert found.unblock == "“Vision net: train” ends."


def test_a_job_of_another_project_has_no_name_and_no_sentence():
    found = Veil(("lora",), PICTURE, TITLES).row(OTHER)
    assert (found.id, found.project, found.what) == ("", "", SOMEBODY)
    assert (found.said, found.unblock, found.expected_said) == ("", "", "")
    assert (found.kind, found.position, found.host) == (OTHER.kind, OTHER.position, OTHER.host)


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (
            "It lacks 3.2 GB of memory on studio, held by the job vision.train/manual__1/train and "
            "the endpoint clip-search; 20 GB is what the project declares.",
            "It lacks 3.2 GB of memory on studio, held by a job of another project and an "
            "endpoint; 20 GB is what the project declares.",
        ),
        ("The job vision.train/manual__0/train ends.", "A job of another project ends."),
        ("It would delay Vision net: train, which", f"It would delay {SOMEBODY}, which"),
        ("How long Vision net: train takes", f"How long {SOMEBODY} takes"),
        ("lora had 4 %, vision-large had 9 %.", "lora had 4 %, another project had 9 %."),
        ("Held by the job lora.train/two/train.", "Held by the job lora.train/two/train."),
        ("2 jobs of other projects go first.", "2 jobs of other projects go first."),
        ("", ""),
    ],
)  # fmt: skip
def test_sentences_name_nothing_of_others(told: str, read: str):
    assert Veil(("lora",), PICTURE, TITLES).sentence(told) == read


def test_own_rows_keep_their_names_and_their_sentences_lose_those_of_others():
    mine = row(said="Held by the job vision.train/manual__1/train.", unblock="Vision net ends.")
    found = Veil(("lora",), PICTURE, TITLES).row(mine)
    assert (found.id, found.what) == (mine.id, mine.what)
    assert found.said == f"Held by {SOMEBODY}."
    assert found.unblock == "another project ends."


def test_what_is_over_all_projects_is_for_everybody():
    veil = Veil((), PICTURE, TITLES)
    assert veil.sees("platform")
    assert veil.row(row(project="platform")).what == "LoRA: train"
