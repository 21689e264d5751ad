"""How things are drawn: a sign, a word and a colour together."""

from collections.abc import Mapping

from dashboard.charts.theme import Colours
from dashboard.components.status import Look
from services.lineage.models import Kind, Node

WORDS: Mapping[Kind, str] = {
    "data": "Data", "models": "Models", "workflow": "Workflow run", "run": "Training run",
    "version": "Version", "bundle": "Bundle", "deployment": "Deployment",
    "predictions": "Predictions", "verdict": "Verdict", "alert": "Alert",
    "retraining": "Retraining",
}  # fmt: skip
ICONS: Mapping[Kind, str] = {
    "data": "database", "models": "inventory_2", "workflow": "account_tree", "run": "play_circle",
    "version": "deployed_code", "bundle": "package_2", "deployment": "dns",
    "predictions": "query_stats", "verdict": "gavel", "alert": "notifications",
    "retraining": "autorenew",
}  # fmt: skip
_LOOKS: Mapping[str, tuple[str, Look]] = {
    "bad": ("⚑", Look("flag", "red", "bad")),
    "from bad": ("⚐", Look("outlined_flag", "orange", "from bad")),
    "maybe from bad": ("⚐", Look("outlined_flag", "orange", "maybe from bad")),
    "broken": ("✕", Look("link_off", "red", "broken")),
    "unknown": ("?", Look("help", "gray", "unknown")),
    "live": ("●", Look("check_circle", "green", "live")),
}


def word(node: Node) -> str:
    """Return what is to be said first of a thing; empty: nothing is wrong, and it is not live."""
    if node.mark is not None:
        return "bad"
    if node.state == "gone":
        return "broken"
    if node.under:
        return "from bad"
    if node.perhaps:
        return "maybe from bad"
    if node.state == "unknown":
        return "unknown"
    return "live" if node.live else ""


def look(said: str) -> Look:
    """Return how a word is drawn in markdown."""
    return _LOOKS[said][1]


def sign(said: str) -> str:
    """Return the sign of a word."""
    return _LOOKS[said][0] if said else ""


def tone(said: str, hues: Colours) -> str:
    """Return the colour of a word."""
    tones = {"bad": hues.bad, "broken": hues.bad, "from bad": hues.warn,
             "maybe from bad": hues.warn, "live": hues.good}  # fmt: skip
    return tones.get(said, hues.muted)
