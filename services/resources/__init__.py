"""The shared ledger: what machines have, what jobs need, and who holds what of them."""
