-- The payment system simulator: what it is going to publish, and which requests it has answered.
create table customer (
    reference text primary key,
    provider_id text not null,
    behaviour json not null,
    charges int not null default 0
);

create table publication (
    id bigint generated always as identity primary key,
    due_at timestamptz not null,
    key text not null,
    value text not null,
    charge_id uuid
);
create index publication_due on publication (due_at, id);
create index publication_charge on publication (charge_id) where charge_id is not null;

create table answered (
    request_id uuid primary key
);

create view read_work as
select 'publications' as kind, 0::bigint as pending, min(due_at) as next_due_at, 0::bigint as stuck
from publication;
