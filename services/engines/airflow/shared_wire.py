"""What Airflow's REST API (3.3) says of pools and assets: the fields we read."""

from datetime import datetime

from pydantic import JsonValue

from services.engines.airflow.models import Asset, AssetEvent, Pool
from services.engines.airflow.wire import Wire


class PoolWire(Wire):
    """A pool."""

    name: str
    slots: int
    description: str | None
    include_deferred: bool
    occupied_slots: int
    running_slots: int
    queued_slots: int
    scheduled_slots: int
    deferred_slots: int
    open_slots: int

    def to_model(self) -> Pool:
        """Return it in our words."""
        return Pool(
            name=self.name,
            slots=self.slots,
            description=self.description,
            occupied=self.occupied_slots,
            running=self.running_slots,
            queued=self.queued_slots,
            scheduled=self.scheduled_slots,
            deferred=self.deferred_slots,
            open=self.open_slots,
            counts_deferred=self.include_deferred,
        )


class PoolsWire(Wire):
    """A page of pools."""

    pools: list[PoolWire]
    total_entries: int


class _Producer(Wire):
    dag_id: str
    task_id: str


class _Scheduled(Wire):
    dag_id: str


class _LastEvent(Wire):
    timestamp: datetime | None = None


class _Asset(Wire):
    id: int
    name: str
    uri: str
    group: str
    extra: dict[str, JsonValue] | None = None
    producing_tasks: tuple[_Producer, ...] = ()
    scheduled_dags: tuple[_Scheduled, ...] = ()
    last_asset_event: _LastEvent | None = None

    def to_model(self) -> Asset:
        return Asset(
            asset_id=self.id,
            name=self.name,
            uri=self.uri,
            group=self.group,
            extra=self.extra or {},
            producers=tuple((one.dag_id, one.task_id) for one in self.producing_tasks),
            triggers=tuple(one.dag_id for one in self.scheduled_dags),
            last_event_at=self.last_asset_event.timestamp if self.last_asset_event else None,
        )


class AssetsWire(Wire):
    """A page of assets."""

    assets: list[_Asset]
    total_entries: int

    def to_models(self) -> tuple[Asset, ...]:
        """Return them in our words."""
        return tuple(one.to_model() for one in self.assets)


class _Started(Wire):
    dag_id: str
    run_id: str


class AssetEventWire(Wire):
    """An asset was made."""

    id: int
    asset_id: int
    name: str | None = None
    uri: str | None = None
    timestamp: datetime
    extra: dict[str, JsonValue] | None = None
    source_dag_id: str | None = None
    source_run_id: str | None = None
    source_task_id: str | None = None
    created_dagruns: tuple[_Started, ...] = ()

    def to_model(self) -> AssetEvent:
        """Return it in our words."""
        return AssetEvent(
            event_id=self.id,
            asset_id=self.asset_id,
            name=self.name,
            uri=self.uri,
            at=self.timestamp,
            extra=self.extra or {},
            dag_id=self.source_dag_id,
            run_id=self.source_run_id,
            task_id=self.source_task_id,
            started=tuple((one.dag_id, one.run_id) for one in self.created_dagruns),
        )


class AssetEventsWire(Wire):
    """A page of asset events."""

    asset_events: list[AssetEventWire]
    total_entries: int

    def to_models(self) -> tuple[AssetEvent, ...]:
        """Return them in our words."""
        return tuple(one.to_model() for one in self.asset_events)
