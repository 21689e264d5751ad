"""Tables of workflows and of the queue; ``document`` columns are JSON objects.

They have a change number of their own (``WORKFLOW_CHANGE`` in ``meta``): a task that goes on does
not make pages about runs and models read again.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from services.mirror.metadata import Id, metadata

WORKFLOW_CHANGE = "workflow_change"
QUEUE = "queue"
"""The name of the picture of the queue."""

workflows = Table(
    "workflows",
    metadata,
    Column("dag_id", String(250), primary_key=True),
    Column("project", String(64), nullable=False),
    Column("document", LargeBinary, nullable=False),
)

workflow_faults = Table(
    "workflow_faults",
    metadata,
    Column("file", Text, primary_key=True),
    Column("project", String(64), nullable=False),
    Column("cause", Text, nullable=False),
    Column("stacktrace", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

workflow_runs = Table(
    "workflow_runs",
    metadata,
    Column("dag_id", String(250), primary_key=True),
    Column("run_id", String(250), primary_key=True),
    Column("project", String(64), nullable=False),
    Column("state", String(24), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("due_ms", BigInteger, nullable=False),  # run_after: what lists are ordered by
    Column("queued_ms", BigInteger),
    Column("started_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("document", LargeBinary, nullable=False),
    Index("workflow_runs_due", "due_ms"),
    Index("workflow_runs_dag", "dag_id", "due_ms"),
    Index("workflow_runs_state", "state"),
)

task_runs = Table(
    "task_runs",
    metadata,
    Column("dag_id", String(250), primary_key=True),
    Column("run_id", String(250), primary_key=True),
    Column("task_id", String(250), primary_key=True),
    Column("map_index", Integer, primary_key=True),
    Column("project", String(64), nullable=False),
    Column("state", String(24), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("started_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("document", LargeBinary, nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    Column("settled", Boolean, nullable=False),  # nothing more is to be read of its evidence
    Index("task_runs_settled", "settled", "state"),
    Index("task_runs_ended", "dag_id", "task_id", "ended_ms"),
)

waits = Table(
    "waits",
    metadata,
    Column("number", Id, primary_key=True),
    Column("job", Text, nullable=False),
    Column("project", String(64), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("said", Text, nullable=False),
    Column("begin_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger),
    Column("open", Boolean, nullable=False),
    Index("waits_begin", "begin_ms"),
    Index("waits_end", "end_ms"),
    Index("waits_job", "job"),
)

policy_decisions = Table(
    "policy_decisions",
    metadata,
    Column("number", Id, primary_key=True),
    Column("host", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("policy_decisions_at", "at_ms"),
)

pictures = Table(
    "pictures",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
