-- A tombstone on a compacted topic has no value.
alter table outbox alter column value drop not null;
alter table outbox_dead alter column value drop not null;
