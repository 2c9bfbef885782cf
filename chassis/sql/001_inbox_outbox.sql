-- Which messages were handled. Kept longer than any topic and the redrive window.
create table inbox (
    consumer text not null,
    source text not null,
    id text not null,
    sha bytea not null,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    status text not null check (status in ('done', 'held', 'parked')),
    received_at timestamptz not null default now(),
    primary key (consumer, source, id)
);
create index inbox_received on inbox using brin (received_at);
create index inbox_parked on inbox (topic, partition, "offset") where status = 'parked';

-- Messages to be published, in order per shard; deleted after the broker's acknowledgement.
create table outbox (
    id bigint generated always as identity primary key,
    shard smallint not null,
    topic text not null,
    key text not null,
    event_id uuid not null unique,
    type text not null,
    value bytea not null,
    headers json
);
create index outbox_shard on outbox (shard, id);

-- Messages that Kafka refuses for their size or name; their key is blocked until a person acts.
create table outbox_dead (
    id bigint primary key,
    shard smallint not null,
    topic text not null,
    key text not null,
    event_id uuid not null,
    type text not null,
    value bytea not null,
    headers json,
    error text not null,
    died_at timestamptz not null default now()
);

-- Messages of our own topics that wait: for a gap in their sequence, or behind a dead letter.
create table held (
    topic text not null,
    key text not null,
    sequence bigint not null,
    partition int not null,
    "offset" bigint not null,
    timestamp_ms bigint not null,
    value bytea not null,
    headers json not null,
    reason text not null check (reason in ('gap', 'key_parked')),
    held_at timestamptz not null default now(),
    primary key (topic, key, sequence)
);
create index held_key on held (key);

create view read_parked as
select consumer, source, id, topic, partition, "offset", received_at from inbox where status = 'parked';

create view read_held as
select topic, key, sequence, reason, held_at from held;

create view read_outbox_dead as
select id, topic, key, event_id, type, error, died_at from outbox_dead;
