-- What operators and tools may read: licensing's published read contract.
create view read_licenses as
select id as subscription_id,
       body::json ->> 'provider_id' as provider_id,
       body::json -> 'history' as history,
       due_at,
       waiting,
       version
from license;

-- What is still to do, for the quiet check and `tenure status`.
create view read_work as
select 'outbox' as kind, count(*) as pending, null::timestamptz as next_due_at, 0::bigint as stuck from outbox
union all
select 'due', 0, min(due_at), 0 from license where due_at is not null and not waiting
union all
select 'held', 0, null, count(*) from held
union all
select 'outbox_dead', 0, null, count(*) from outbox_dead;
