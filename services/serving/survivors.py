"""What an earlier life of the serving engine left: model servers that live, and its last status."""

from services.home import Home
from services.serving import replicas, status
from services.serving.models import EndpointStatus
from services.serving.replicas import ReplicaSpec


class Survivors:
    """The model servers that live and nobody follows yet."""

    def __init__(self, home: Home) -> None:
        """Find them; clear what dead ones left."""
        self._status = status.read(home)
        self._specs: list[ReplicaSpec] = []
        for spec in replicas.records(home):
            if replicas.process_of(spec) is None:
                replicas.forget(spec)
            else:
                self._specs.append(spec)

    @property
    def ids(self) -> set[str]:
        """Return their ids."""
        return {one.id for one in self._specs}

    def status_of(self, name: str) -> EndpointStatus | None:
        """Return what was said last of an endpoint."""
        return self._status.endpoints.get(name) if self._status else None

    def take(self, name: str) -> list[ReplicaSpec]:
        """Return those of an endpoint; they are followed now."""
        mine = [one for one in self._specs if one.name == name]
        self._specs = [one for one in self._specs if one.name != name]
        return mine

    def end_the_rest(self) -> None:
        """Ask those to end that are of endpoints nobody wants any more."""
        for spec in self._specs:
            replicas.ask_to_end(spec)
        self._specs = []
