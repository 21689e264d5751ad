"""What is said of versions that answer and came from what is marked as bad."""

from dataclasses import replace

from services.alerting.rules import lineage
from services.alerting.rules.lineage import Answering
from services.lineage.flagged import Flag
from services.lineage.models import Mark, Ref
from tests.services.alerting.things import NOW

NONE: frozenset[str] = frozenset()
OPEN = frozenset({"lineage/lora/net"})
DATA = Mark(Ref("data", "d" * 16), "lora", "wrong labels", "mira", 5.0, 7)
FLAG = Flag(Ref("version", "lora/net:2"), DATA)
LIVE = Answering("lora", "net", 2, "live", (FLAG,), 1)
CLEAN = replace(LIVE, version=3, flags=())


def test_a_live_version_from_bad_is_critical_with_mark_reason_and_who():
    (found,) = lineage.events([LIVE], NOW, NONE)
    assert (found.key, found.state, found.severity) == ("lineage/lora/net", "firing", "critical")
    assert found.title == "Version 2 of net answers requests and came from what is marked as bad"
    assert f"data:{'d' * 16}, which mira marked as bad: wrong labels." in found.cause
    assert "`mlops rollback lora/net --to 1`" in found.suggestion
    assert f"`mlops lineage unmark data:{'d' * 16} --reason WHY`" in found.suggestion
    assert found.link == "/lineage?id=version%3Alora/net%3A2"
    assert found.at == NOW  # what is put into service again long after the mark fires again


def test_where_no_earlier_version_is_free_of_it_another_is_trained():
    (found,) = lineage.events([replace(LIVE, earlier=None)], NOW, NONE)
    assert "rollback" not in found.suggestion
    assert "`mlops retrain propose lora/net --why TEXT`" in found.suggestion


def test_a_canary_is_ended_and_the_live_version_is_told_first():
    canary = replace(LIVE, serving="canary", version=4, earlier=None)
    (found,) = lineage.events([CLEAN, canary], NOW, NONE)
    assert "as a canary" in found.said
    assert "`mlops rollout lora/net --abort`" in found.suggestion
    (both,) = lineage.events([canary, LIVE], NOW, NONE)
    assert both.title.startswith("Version 2 of")
    assert "So does version 4 (canary)." in both.said


def test_what_may_have_come_from_it_is_a_warning_and_the_certain_goes_first():
    maybe = replace(LIVE, flags=(replace(FLAG, sure=False, why="its data hold 3 of 5"),))
    (found,) = lineage.events([maybe], NOW, NONE)
    assert (found.severity, found.state) == ("warning", "firing")
    assert "may have come from what is marked as bad" in found.title
    certain = replace(LIVE, serving="canary", version=4)
    assert lineage.events([maybe, certain], NOW, NONE)[0].severity == "critical"


def test_it_ends_on_evidence_alone():
    assert lineage.events([CLEAN], NOW, NONE) == ()
    (well,) = lineage.events([CLEAN], NOW, OPEN)
    assert (well.state, "Now answers version 3:" in well.said) == ("ok", True)
    (gone,) = lineage.events([], NOW, OPEN)
    assert (gone.state, gone.said) == ("ok", "It is in service no more.")
    (strange,) = lineage.events([replace(CLEAN, known=False)], NOW, OPEN)
    assert (strange.state, "does not know version 3" in strange.said) == ("unknown", True)
    (unread,) = lineage.events([CLEAN], NOW, OPEN, ["The list of files is away."])
    assert (unread.state, unread.said) == ("unknown", "The list of files is away.")
    (firing,) = lineage.events([LIVE], NOW, OPEN, ["The list of files is away."])
    assert firing.state == "firing"
