"""The list of kinds that people choose from is the kinds that there are."""

import re
import time
from pathlib import Path
from typing import Any, cast

from services.alerting import outbox
from services.alerting.kinds import KINDS
from services.controller.alerts import Sources

DOCS = Path(__file__).parents[3] / "docs" / "alerts.md"


def test_they_are_those_of_the_rules_and_of_channels():
    nothing = cast("Any", None)  # no rule looks
    rules = Sources(nothing, nothing, nothing, verdicts=tuple).rules(serves=True)
    of_rules = {kind for rule in rules for kind in rule.kinds}
    broken = outbox.trouble("ops", "It hangs.", time.time())
    assert sorted(KINDS) == sorted(of_rules | {broken.kind})


def test_the_documentation_tells_when_each_fires():
    table = DOCS.read_text().partition("## What is watched")[2].partition("\n\nWhat failed")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == KINDS
