"""OUTPUT: opening it, its ledger and leases, quarantine, lists and status."""
