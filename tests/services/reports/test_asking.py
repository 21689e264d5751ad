"""The commands that a report names are there."""

import click
import pytest

from services.cli import mlops
from services.reports.asking import COMMANDS
from services.reports.collecting import SECTIONS
from services.reports.html import page
from tests.services.reports.conftest import Ask


def test_every_section_has_its_command(ask: Ask):
    assert set(COMMANDS) == {key for key, *_ in SECTIONS}
    text = page(ask())
    for commands in COMMANDS.values():
        for one in commands:
            assert f"<code>mlops {one}</code>" in text


@pytest.mark.parametrize("command", [one for some in COMMANDS.values() for one in some])
def test_each_is_a_command_that_needs_no_argument(command: str):
    found: click.Command = mlops
    context = click.Context(mlops)
    for word in command.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(context, word)
        assert inner is not None
        found = inner
    assert not [one for one in found.params if one.required]
