from dashboard.queue import shares, shares_chart, what_if, what_if_result
from dashboard.queue.shares import Part
from dashboard.queue.stretches import Window
from services.workflows.replay import Replay
from services.workflows.whatif import ProjectChange, WhatIf
from tests.dashboard.queue.things import HUES, NOW, at

SHOWN = Window(at(-120), NOW, "in the last 2 hours")


def part(project: str, used: tuple[float, float], due: tuple[float, float], **more: object) -> Part:
    said = {
        "weight": 1.0, "priority": 5, "quota_hours": None, "quota_used_s": 0.0, "share": 0.25,
        "due_share": 0.5, "waiting": 2,
    }  # fmt: skip
    return Part(project, used, due, **(said | more))  # type: ignore[arg-type]


LORA = part("lora", (3600.0, 0.0), (1800.0, 900.0), quota_hours=4.0, quota_used_s=13_000.0)
VISION = part("vision", (0.0, 1800.0), (1800.0, 900.0), waiting=0, share=None)
LARGE = part("large", (600.0, 600.0), (0.0, 0.0))


def test_projects_one_may_not_see_are_one_without_a_name():
    assert shares.veiled([LORA, VISION], None) == (LORA, VISION)
    assert shares.veiled([LORA], ("lora",)) == (LORA,)
    own, others = shares.veiled([LORA, VISION, LARGE], ("lora",))
    assert (own, others.project) == (LORA, shares.OTHERS)
    assert (others.used, others.due) == ((600.0, 2400.0), (1800.0, 900.0))
    assert (others.share, others.waiting, others.weight) == (0.25, 2, None)
    drawn = shares_chart.rows((own, others), {"vision": "Vision"}, HUES)
    assert "other projects" in drawn
    assert "Vision" not in drawn


def test_a_row_tells_used_against_due_the_share_now_and_the_quota():
    drawn = shares_chart.rows([LORA, VISION], {"lora": "LoRA <b>"}, HUES)
    for told in (
        "LoRA &lt;b&gt;", "1.0 h", "of 0.8 h due", "25 %", "of 50 %", "3.6 of 4 h in 7 days",
        "2 waiting", "wants nothing", "nothing waits", "weight 1 · priority 5", "no quota",
    ):  # fmt: skip
        assert told in drawn, told
    assert HUES.warn in drawn  # nine tenths of the quota


def test_the_chart_stacks_slot_hours_of_who_used_any():
    idle = part("idle", (0.0, 0.0), (0.0, 0.0))
    spec = shares_chart.stacked([LORA, idle, VISION], {"lora": "LoRA"}, SHOWN, HUES)
    lora, vision = spec["series"]  # type: ignore[misc]
    assert (lora["name"], vision["name"]) == ("LoRA", "vision")
    assert [value for _, value in lora["data"]] == [1.0, 0.0]
    assert lora["data"][0][0] == round(at(-90).timestamp() * 1000)
    assert vision["itemStyle"]["color"] == HUES.series[2]  # its own, whoever is left out


def test_more_projects_than_colours_are_told_apart():
    assert len({shares_chart.hue(n, "x", HUES) for n in range(12)}) == 12
    assert shares_chart.hue(3, "", HUES) == HUES.muted


# What if


def change(before: float | None, after: float | None) -> ProjectChange:
    return ProjectChange("lora", 3, before, after, 3600.0, 1800.0)


def test_waits_before_and_after_are_told_with_their_change():
    def drawn(before: float | None, after: float | None) -> str:
        return what_if_result.rows([change(before, after)], {"lora": "LoRA"}, HUES)

    shorter = drawn(1200.0, 300.0)
    assert "20 min" in shorter
    assert "▼ 15 min shorter" in shorter
    assert "1.0 h" in shorter
    assert "▲ 2 min longer" in drawn(0.0, 120.0)
    assert "no wait" in drawn(0.0, 120.0)
    assert "as before" in drawn(60.0, 60.4)
    assert "none started" in drawn(60.0, None)


def test_how_exact_a_replay_is_and_what_it_leaves_out_is_said():
    assert "cannot be told" in what_if_result.exactness(None)
    assert "2 min 5 s from the real ones" in what_if_result.exactness(125.0)
    assert "less than a second" in what_if_result.exactness(0.2)
    told = Replay(WhatIf((), (), 9, 2, 1, None, ""), 0.021, 0.25, 3)
    assert what_if.left_out(told) == (
        "2 jobs left out: never began or not ended, so nobody knows how long they take. 3 older "
        "jobs left out: the newest 600 are replayed. 1 job would never start under these settings."
    )
    assert "**2.1 %** of all use went to projects" in what_if_result.fairness(told)
    assert "as it was, **25.0 %** simulated" in what_if_result.fairness(told)
    assert not what_if.left_out(Replay(WhatIf((), (), 9, 0, 0, None, ""), 0.0, 0.0, 0))
