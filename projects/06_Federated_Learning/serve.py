"""The server of a federation over the network: clients join with join.py, from any machine.

``MLOPS_FEDERATED_ADDRESS`` (HOST:PORT), ``MLOPS_FEDERATED_TOKEN`` and ``MLOPS_FEDERATED_CLIENTS``
say where and for how many; the options are those of train.py.
"""

import os
from collections.abc import Sequence

from federated import data
from federated.collected import Collected
from federated.network import RemoteFleet, address_of
from federated.scoring import label_mix
from train import BASELINES, TECHNIQUES, Split, arguments, register, shares, train

FEDERATIONS = [name for name in TECHNIQUES if name not in BASELINES]


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(argv)
    options.clients = int(os.environ.get("MLOPS_FEDERATED_CLIENTS", options.clients))
    options.kill_round = -1  # nobody is killed on purpose: real clients do die
    if options.technique in BASELINES:
        raise SystemExit(f"{options.technique} is no federation; choose one of {FEDERATIONS}.")
    names = FEDERATIONS if options.technique == "all" else [options.technique]
    seed = options.seed or 0
    parts = data.load()
    none = data.Digits(parts["val"].images[:0], parts["val"].labels[:0])
    nothing = Collected(none, none, none)  # each client has its own digits, and they alone
    rows = shares(parts["train"], seed, options)
    split = Split([], [], [label_mix(parts["train"].labels[each]) for each in rows])
    recipe = {"seed": seed, "alpha": options.alpha, "clients": options.clients}
    with RemoteFleet(
        address_of(os.environ.get("MLOPS_FEDERATED_ADDRESS", "")),
        os.environ["MLOPS_FEDERATED_TOKEN"],
        options.clients,
        recipe,
        timeout_s=options.round_timeout,
    ) as fleet:
        results = [train(name, seed, fleet, split, parts, nothing, options) for name in names]
    best = max(results, key=lambda result: result.metrics["val_accuracy"])
    register(best, parts["test"], options)


if __name__ == "__main__":
    main()
