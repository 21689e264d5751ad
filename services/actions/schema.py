"""Tables of the journal: the one database to back up. Never recreated, only migrated forward."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

VERSION = 5

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "journal_meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

actions = Table(
    "actions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", String(120), nullable=False, unique=True),  # idempotency
    Column("kind", String(40), nullable=False),
    Column("project", String(64)),
    Column("title", Text, nullable=False),
    Column("params", Text, nullable=False),  # JSON
    Column("memory", Text, nullable=False),  # JSON: what steps found out, for later ones and undo
    Column("actor", String(120), nullable=False),
    Column("actor_kind", String(10), nullable=False),  # user, os, policy
    Column("actor_role", String(12), nullable=False),
    Column("actor_projects", Text),  # JSON list; NULL is all
    Column("subject", String(300), nullable=False, server_default=""),  # one at a time a subject
    Column("state", String(12), nullable=False),
    Column("error", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("submitted_ms", BigInteger, nullable=False),
    Column("finished_ms", BigInteger),
    Column("owner", String(120)),  # host:pid:created:executor:start that holds it
    Column("attempts", Integer, nullable=False),  # grows with every claim: a late owner is refused
    Column("tries", Integer, nullable=False, server_default="0"),  # of this direction
    Column("not_before_ms", BigInteger, nullable=False, server_default="0"),
    Column(
        "lease_ms", BigInteger, nullable=False, server_default="0"
    ),  # the claim holds until then
    Column("ending", String(12), nullable=False, server_default=""),  # set: taking back, to end so
    Index("actions_state", "state"),
    Index("actions_project", "project", "id"),
)

steps = Table(
    "steps",
    metadata,
    Column("action_id", _Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", String(10), nullable=False),  # started, done, undone, failed
    Column("started_ms", BigInteger, nullable=False),
    Column("finished_ms", BigInteger),
    Column("detail", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", _Id, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("what", String(60), nullable=False),
    Column("project", String(64)),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),  # canonical JSON
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password_hash", String(100), nullable=False),
    Column("role", String(12), nullable=False),
    Column("projects", Text),  # JSON list; NULL is all
    Column("disabled", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),  # raised to end all sessions
)

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("user", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("ticket_hash", String(64), unique=True),  # until it is redeemed
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("address", String(80), nullable=False),
    Index("sessions_user", "user"),
)

failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("subject", String(160), nullable=False),  # user:NAME or address:ADDRESS
    Column("at_ms", BigInteger, nullable=False),
    Index("failures_subject", "subject", "at_ms"),
)

views = Table(
    "saved_views",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("page", String(40), primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("query", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

projects = Table(
    "registered_projects",
    metadata,
    Column("path", Text, primary_key=True),
    Column("id", String(64), nullable=False),
    Column("added_ms", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
)

registry_events = Table(
    "registry_events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("project", String(64), nullable=False),
    Column("model", String(256), nullable=False),
    Column("alias", String(256), nullable=False),
    Column("version", Integer),  # NULL: the alias was removed
    Column("actor", String(120), nullable=False),
    Column("action_id", BigInteger),  # NULL: seen in the registry, done by other means
    Column("reason", Text, nullable=False),
    Column("seen", Boolean, nullable=False, server_default=false()),  # the sync saw it, too
    Index("registry_events_alias", "project", "model", "alias", "id"),
)

wants = Table(
    "wants",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("subject", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    UniqueConstraint("kind", "subject"),
)

serving_endpoints = Table(
    "serving_endpoints",
    metadata,
    Column("name", String(320), primary_key=True),  # PROJECT.MODEL
    Column("project", String(64), nullable=False),
    Column("model", String(256), nullable=False),
    Column("desired", Text, nullable=False),  # JSON: services.serving.models.Endpoint
    Column("generation", BigInteger, nullable=False),  # grows with every change
    Column("changed_ms", BigInteger, nullable=False),
)

serving_events = Table(
    "serving_events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("name", String(320), nullable=False),
    Column("version", Integer),  # NULL: of the endpoint as a whole
    Column("kind", String(20), nullable=False),  # services.serving.models.EventKind
    Column("said", Text, nullable=False),
    Column("action_id", BigInteger),  # NULL: the platform did it by itself
    Column("actor", String(120), nullable=False),
    Index("serving_events_name", "name", "id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),  # also the beginning of the key itself
    Column("project", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("hash", String(64), nullable=False),  # SHA-256 of the key: it is random, not a password
    Column("models", Text),  # JSON list of models of the project; NULL is all
    Column("rate_per_s", Float, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("expires_ms", BigInteger),  # NULL: never
    Column("revoked_ms", BigInteger),  # NULL: it is good
    Index("api_keys_project", "project"),
)

lineage_marks = Table(
    "lineage_marks",
    metadata,
    Column("subject", String(640), primary_key=True),  # services.lineage.models.Ref.id
    Column("project", String(64)),  # NULL: of no project alone
    Column("reason", Text, nullable=False),
    Column("by", String(120), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("action_id", BigInteger),
)

monitoring_baselines = Table(
    "monitoring_baselines",
    metadata,
    Column("name", String(320), primary_key=True),  # PROJECT.MODEL; without a row it is the default
    Column("project", String(64), nullable=False),
    Column("body", Text, nullable=False),  # JSON: services.monitoring.reference.Baseline
    Column("by", String(120), nullable=False),
    Column("set_ms", BigInteger, nullable=False),
    Column("action_id", BigInteger),
)

monitoring_settings = Table(
    "monitoring_settings",
    metadata,
    Column("project", String(64), primary_key=True),
    Column("model", String(256), primary_key=True),  # empty: all of the project
    Column("body", Text, nullable=False),  # JSON: services.monitoring.settings.Settings
    Column("by", String(120), nullable=False),
    Column("set_ms", BigInteger, nullable=False),
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("body", Text, nullable=False),  # JSON: services.alerting.models.Event, until it is read
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", String(300), nullable=False),
    Column("open_key", String(300), unique=True),  # the key; NULL: it has ended
    Column("state", String(12), nullable=False),  # services.alerting.models.State
    Column("severity", String(10), nullable=False),
    Column("project", String(64)),  # NULL: the whole platform
    Column("since_ms", BigInteger, nullable=False),
    Column("resolved_ms", BigInteger),
    Column("settled", Boolean, nullable=False),  # it ended, everyone knows, it comes back no more
    Column("body", Text, nullable=False),  # JSON: services.alerting.models.Alert
    Index("alerts_settled", "settled"),
    Index("alerts_key", "key", "id"),
)

alert_notes = Table(
    "alert_notes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("alert_id", _Id, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("what", String(20), nullable=False),  # services.alerting.models.NoteKind
    Column("said", Text, nullable=False),
    Column("actor", String(120), nullable=False),
    Index("alert_notes_alert", "alert_id", "id"),
)

alert_silences = Table(
    "alert_silences",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("pattern", String(300), nullable=False),
    Column("project", String(64)),
    Column("owner", String(120), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),  # NULL: nobody ended it before its time
    Column("action_id", BigInteger, unique=True),
)

report_schedules = Table(
    "report_schedules",
    metadata,
    Column("name", String(80), primary_key=True),  # PROJECT/EVERY, of the toolkit */EVERY
    Column("project", String(64)),  # NULL: the whole toolkit
    Column("body", Text, nullable=False),  # JSON: services.reports.schedules.Schedule
    Column("made_ms", BigInteger, nullable=False),  # the moment that was due and is done with
    Column("report", String(40), nullable=False, server_default=""),  # the last one's name
    Column("told_ms", BigInteger, nullable=False),  # up to which moment people were told
    Column("tried_ms", BigInteger, nullable=False, server_default="0"),
    Column("trouble", Text, nullable=False, server_default=""),
)

alert_channels = Table(
    "alert_channels",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("body", Text, nullable=False),  # JSON: services.alerting.models.Channel, no address
    Column("trouble", Text, nullable=False, server_default=""),
    Column("failures", Integer, nullable=False, server_default="0"),
)

alert_messages = Table(
    "alert_messages",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("channel", String(40), nullable=False),
    Column("what", String(12), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("group", String(300), nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("alerts", Text, nullable=False),  # JSON list of ids
    Column("created_ms", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),  # waiting, sending, sent, failed
    Column("attempts", Integer, nullable=False),
    Column("not_before_ms", BigInteger, nullable=False),
    Column("sent_ms", BigInteger),
    Column("error", Text, nullable=False),
    Index("alert_messages_state", "state"),
    Index("alert_messages_created", "created_ms"),
)

objectives = Table(
    "objectives",
    metadata,
    Column("project", String(64), primary_key=True),
    Column("model", String(256), primary_key=True),  # empty: all models of the project
    Column("kind", String(20), primary_key=True),  # as services.objectives.store names them
    Column("body", Text, nullable=False),  # JSON: target, days, bound_ms, metric
    Column("set_by", String(120), nullable=False),
    Column("set_ms", BigInteger, nullable=False),
)

MIGRATIONS: dict[int, tuple[str, ...]] = {
    5: (),  # settings of monitoring
    4: (),  # tables of alerting, monitoring, objectives and retraining; marks of lineage
    3: (),  # tables of serving
    2: (
        "ALTER TABLE actions ADD COLUMN actor_projects TEXT",
        "ALTER TABLE actions ADD COLUMN subject VARCHAR(300) DEFAULT '' NOT NULL",
        "ALTER TABLE actions ADD COLUMN tries INTEGER DEFAULT 0 NOT NULL",
        "ALTER TABLE actions ADD COLUMN not_before_ms BIGINT DEFAULT 0 NOT NULL",
        "ALTER TABLE actions ADD COLUMN lease_ms BIGINT DEFAULT 0 NOT NULL",
        "ALTER TABLE actions ADD COLUMN ending VARCHAR(12) DEFAULT '' NOT NULL",
        "ALTER TABLE registry_events ADD COLUMN seen BOOLEAN DEFAULT FALSE NOT NULL",
        "UPDATE registry_events SET seen = TRUE",
        "DELETE FROM sign_in_failures",  # they were kept by unfolded names
    ),
}
"""What leads to a version from the one before; new tables need no statement, they are made."""
