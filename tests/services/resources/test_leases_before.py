"""Leases that an earlier version wrote."""

import json
import os
import socket

import psutil

from services.resources.leases import LeaseBook
from services.resources.models import Owner
from tests.services.resources.machines import lease, mac


def test_a_lease_without_its_owners_start_holds_as_long_as_the_owner_lives(tmp_path):
    path, created = tmp_path / "leases.json", psutil.Process().create_time()
    owner = Owner(socket.gethostname(), os.getpid(), created)
    LeaseBook(path).take(lease("task:a", owner=owner), (mac(memory_gb=30, gpu_slots=4),))
    said = json.loads(path.read_bytes())
    del said["leases"][0]["owner"]["start"]
    path.write_text(json.dumps(said))
    assert [one.owner for one in LeaseBook(path).leases()] == [owner]
    said["leases"][0]["owner"]["created"] = created - 60
    path.write_text(json.dumps(said))
    assert LeaseBook(path).leases() == ()
