"""What is marked as bad, in the JSON of models and deployments."""

import json

import pytest
from click.testing import CliRunner

from services.actions.journal import Journal
from services.cli import mlops
from services.lineage import marked
from services.lineage.models import Mark, Ref
from services.settings import Settings
from tests.lineage_seed import DATA, LORA
from tests.services.commands.test_lineage import lineage

__all__ = ["lineage"]


@pytest.mark.parametrize(
    "words",
    [("deployments",), ("deployments", f"{LORA}/{LORA}"), ("models", "list"),
     ("models", "show", LORA)],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.usefixtures("lineage")
def test_the_json_names_what_is_marked(words: tuple[str, ...]):
    def first() -> dict[str, object]:
        done = CliRunner().invoke(mlops, [*words, "--json"])
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        one = next(e for e in found if e["project"] == LORA) if isinstance(found, list) else found
        if words[0] == "deployments":
            return one
        return next(version for version in one["versions"] if version["version"] == 1)

    none = first()
    assert (none["came_from_bad"], none["maybe_from_bad"]) == ([], [])
    journal = Journal.open(Settings())
    marked.put(journal, Mark(Ref("data", DATA), LORA, "wrong labels", "mira", 5.0, None))
    journal.close()
    assert first()["came_from_bad"] == [f"data:{DATA}"]
