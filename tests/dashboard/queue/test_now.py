from datetime import UTC

import pytest

from dashboard.queue import access, head, job, looks, machines, now
from services.workflows.queue import KINDS
from tests.dashboard.queue.things import HUES, NOW, at, row, wait


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "≈ 15:30, by 16:00"),
        ({"expected_late_at": None}, "≈ 15:30"),
        ({"expected_late_at": at(20.4)}, "≈ 15:30"),
        (
            {"expected_at": at(600), "expected_late_at": at(60 * 24 * 9)},
            "≈ Mon 01:10, by 10 Mar 15:10",
        ),
        ({"expected_at": None}, "not known"),
        ({"state": "running", "expected_at": None, "ends_at": at(5)}, "ends ≈ 15:15"),
        ({"state": "running", "expected_at": None}, "end not known"),
    ],
)  # fmt: skip
def test_when_a_job_starts_or_ends_is_told_in_few_words(given: dict[str, object], told: str):
    assert access.start(row(**given), UTC, NOW) == told


def test_a_filter_takes_what_fits_all_it_says():
    memory = row(kind="memory")
    assert access.Filter(None, (), ()).takes(memory)
    assert access.Filter("lora", ("memory",), ("waits",)).takes(memory)
    assert not access.Filter("vision", (), ()).takes(memory)
    assert not access.Filter(None, ("its turn",), ()).takes(memory)
    assert not access.Filter(None, (), ("held",)).takes(memory)


@pytest.mark.parametrize("name", ["", "a/b", "a//c", "a/b/c/d"])
def test_what_is_no_name_of_a_job_has_no_parts(name: str):
    assert access.parts(name) is None


def test_reasons_are_counted_in_the_order_they_are_shown():
    rows = [row(kind="memory"), row(kind="later"), row(kind="running"), row(kind="memory")]
    assert head.by_kind(rows) == {"running": 1, "memory": 2, "later": 1}
    drawn = head.html([*rows, row(state="held", kind="never")], HUES, "decided <now>")
    assert 'aria-label="1 runs, 2 memory, 1 too large, 1 later"' in drawn
    assert "decided &lt;now&gt;" in drawn


def test_every_reason_has_a_sign_and_a_colour_of_its_own():
    signs = [looks.look(kind).sign for kind in KINDS]
    hues = [looks.hue(kind, HUES) for kind in KINDS]
    assert len(set(signs)) == len(set(hues)) == len(KINDS)
    assert looks.cell("later") == ["? later"]


def test_a_cell_of_a_job_without_a_name_tells_no_priority():
    cells = now.cells(row("", "", what="a job of another project"), UTC, NOW)
    assert (cells["what"], cells["priority"]) == ("a job of another project", "")
    assert now.cells(row(), UTC, NOW)["priority"] == "5"


STUDIO = {
    "host": "studio", "here": True, "memory_bytes": 54 * 2**30, "gpu_slots": 2,
    "free_bytes": 14 * 2**30, "free_slots": 1, "absent": "", "stance": "hold", "rule": "heat",
    "said": "studio is hot.", "since": at(-22).timestamp(), "unknown": ["Memory is not known."],
}  # fmt: skip


def drawn(*rows: object, **more: object) -> str:
    return machines.html([machines.of({**STUDIO, **more})], rows, HUES, UTC, NOW)  # type: ignore[arg-type]


def test_a_machine_is_told_with_slots_memory_stance_and_since():
    told = drawn()
    for part in (
        "1 of 2 heavy slots taken", "40.0 GB held of 54.0 GB", "14.0 GB free",
        "▲ no heavy job starts", "studio is hot. Memory is not known.", "Since 14:48, 22 min ago",
        "Nothing of the queue runs here",
    ):  # fmt: skip
        assert part in told, part


def test_what_an_administrator_gave_is_told():
    assert "✎" not in drawn()
    assert "An administrator gave 2 heavy slots &lt;" in drawn(
        given="An administrator gave 2 heavy slots <"
    )


@pytest.mark.parametrize(
    ("slots", "free", "boxes", "told"),
    [
        (1, 1, 1, "0 of 1 heavy slot taken"),
        (16, 4, 16, "12 of 16 heavy slots taken"),
        (64, 32, 0, "32 of 64 heavy slots taken"),
        (1, -1, 2, "2 heavy slots taken, more than its 1"),
        (0, 0, 0, "No heavy slot: heavy jobs go elsewhere"),
        (0, -1, 1, "1 heavy slot taken, more than its 0"),
    ],
)
def test_slots_are_drawn_one_by_one_and_many_as_a_bar(slots: int, free: int, boxes: int, told: str):
    said = drawn(gpu_slots=slots, free_slots=free)
    assert said.count("width:14px;height:14px") == boxes
    assert told in said
    assert ("width:50.0%;height:100%" in said) == (slots == 64)
    over = max(0, -free)
    assert said.count("background:#warn") == over


def test_a_machine_nobody_knows_the_memory_of_is_unavailable_and_not_zero():
    told = drawn(memory_bytes=None, free_bytes=None)
    assert "Memory unavailable: nobody knows how much it has" in told
    assert "GB" not in told


def test_more_is_promised_than_there_is_and_a_silent_machine_takes_no_job():
    assert "more is promised than it has" in drawn(free_bytes=-(2**30))
    told = drawn(absent="it has been silent for 3 min", stance="open", said="", since=0.0)
    assert "○ takes no job" in told
    assert "It takes no job: it has been silent for 3 min." in told
    assert "Since" not in told


def test_what_runs_there_has_a_bar_where_its_length_is_known():
    runs = [
        row(state="running", host="studio", what=f"Job <{n}>", since=at(-10), ends_at=at(30))
        for n in range(5)
    ]
    told = drawn(*runs, row(state="running", host="other", what="Elsewhere"))
    assert "Job &lt;0&gt;" in told
    assert "width:25%" in told
    assert "and 2 more" in told
    assert "Elsewhere" not in told
    assert machines.progress(row(state="running"), NOW) is None
    assert machines.progress(row(state="running", ends_at=at(-40)), NOW) is None
    assert machines.progress(row(state="running", ends_at=at(-5)), NOW) == 1.0


def test_what_a_job_waited_for_is_added_up():
    waits = [wait("order", -30, -20), wait("memory", -20, -15), wait("order", -15, None)]
    assert job.spent(waits, NOW) == {"order": 1500.0, "memory": 300.0}
    drawn_strip = job.strip(waits, HUES, NOW)
    assert "memory, 5 min: memory." in drawn_strip
    assert "in 3 stretches" in drawn_strip
