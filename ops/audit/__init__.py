"""The audit: whether money, periods, access and mail obey the invariants, over all services and topics."""
