-- Relays read the outbox by id, from its lowest: an index by shard only costs every message an entry.
drop index outbox_shard;
