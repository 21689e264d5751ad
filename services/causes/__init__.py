"""Why a deployment drifted, errs, got slower or fails more: ranked, with evidence, the same always.

    explaining      from a case to an explanation (pure)
    case            what is looked at; factor: one circumstance of it; *_checks: all of them
    comparing       how much of a change goes with a circumstance
    weighing        from circumstances to causes
    gathering       reads cases from the prediction log, telemetry, verdicts and the journal
    following       explains alerts beside the loop that raises them
"""
