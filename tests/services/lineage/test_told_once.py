"""What must neither be lost nor told again: ends, clocks that are ahead, what is deleted."""

from services.actions.journal import Journal
from services.lineage.monitored import Monitored
from services.lineage.told import retrainings
from tests import lineage_seed as seed
from tests.services.lineage.test_openlineage import named
from tests.services.lineage.test_told import MODEL, Told, accept, asked, goes_on


def test_a_retraining_that_was_stopped_has_an_end_and_one_that_never_began_has_none(
    journal: Journal,
):
    told = Told(retrainings.Retrainings(Monitored(journal, lambda: None)))
    one, other = asked(journal), asked(journal, model="other")
    accept(journal, one.id)
    (start,) = told.new()
    goes_on(journal, one.id, "stopped", stopped="Stopped by ana: too dear.")
    assert told.new() == [], "what is under way ends at the next look"
    goes_on(journal, one.id, "dismissed", state="dismissed", candidate=2, ended_at=seed.NOW)
    goes_on(journal, other.id, "dismissed", state="dismissed", ended_at=seed.NOW)
    (end,) = told.new()
    assert (end["eventType"], end["run"]) == ("ABORT", start["run"])
    assert named(end["outputs"]) == {(MODEL, "2")}, "it was made, though nobody judged it"
