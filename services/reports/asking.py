"""The commands that tell the same as a section, as things are when somebody asks."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "experiments": ("runs list",),
    "techniques": ("runs techniques",),
    "models": ("models list",),
    "deployments": ("deployments",),
    "levels": ("objectives list",),
    "drift": ("drift list", "alerts list", "retrain list"),
    "activity": ("lineage bad", "lineage broken"),
    "hardware": ("hardware",),
    "data": ("data status",),
}
"""By the key of a section; each without the word ``mlops``."""
