"""Why a deployment drifted, errs, got slower or fails more: ranked, with evidence, the same always.

``explain`` is pure: from a ``case`` (rows of before and of now, and what is known beside) over one
``factor`` a check to causes. ``gathering`` reads cases from the prediction log, telemetry, verdicts
and the journal; ``following`` explains alerts beside the loop that raises them.
"""

from services.causes.explaining import explain
from services.causes.models import Cause, Explanation

__all__ = ["Cause", "Explanation", "explain"]
