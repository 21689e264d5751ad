"""Model: its versions side by side, who promoted which when, and what to do with them."""

import shlex

from dashboard import navigation
from dashboard.components import notices
from dashboard.components.cli import command_line
from dashboard.registry import access, bar, head, listing, timeline, versions
from dashboard.registry.standing import NO_RULES
from services.mirror.projects import CHAMPION

bar.leave()
navigation.link("registry", "All models", icon="arrow_back")
model = access.named_model()
rules = access.rules().get(model.project, NO_RULES)
head.title(model)
off = notices.engine_notice("mlflow", "controller")
earlier = access.earlier(model, CHAMPION)
row = listing.row_of(model, rules)
head.figures(row, access.spans(model, CHAMPION), rules)
looked_at = versions.draw(model, rules)
if looked_at is None:
    notices.empty(
        "No version yet",
        "The model has a name and nothing in it: a training run registers the first version.",
        icon="layers",
        command=f"mlops models show {shlex.quote(model.name)}",
    )
else:
    versions.detail(model, looked_at, rules, off, earlier)
timeline.draw(model)
name = shlex.quote(model.name)
command_line(
    f"mlops models show {name}",
    f"mlops models promote {name} VERSION --to champion",
    f"mlops models rollback {name}",
)
