"""Tables of the journal: retrainings, what happened to them, and what projects allow."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from services.actions.schema import metadata

_Id = BigInteger().with_variant(Integer, "sqlite")

retrainings = Table(
    "retrainings",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("project", String(64), nullable=False),
    Column("model", String(256), nullable=False),
    Column("open_name", String(320), unique=True),  # PROJECT.MODEL; NULL: it has ended
    Column("state", String(12), nullable=False),  # services.retraining.models.State
    Column("thread", String(64), nullable=False),
    Column("workflow", String(520)),  # DAG/RUN
    Column("created_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("body", Text, nullable=False),  # JSON: services.retraining.models.Proposal
    Index("retrainings_project", "project", "id"),
    Index("retrainings_workflow", "workflow"),
)

retraining_alerts = Table(
    "retraining_alerts",
    metadata,
    Column("alert_id", _Id, primary_key=True),
    Column("retraining_id", _Id, primary_key=True),
)

retraining_events = Table(
    "retraining_events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("retraining_id", _Id, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("what", String(12), nullable=False),  # services.retraining.models.Happening
    Column("said", Text, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("body", Text, nullable=False),  # JSON: numbers and link
    Index("retraining_events_of", "retraining_id", "id"),
)

retraining_policies = Table(
    "retraining_policies",
    metadata,
    Column("project", String(64), primary_key=True),
    Column("body", Text, nullable=False),  # JSON: services.retraining.models.Policy
    Column("changed_ms", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
)
