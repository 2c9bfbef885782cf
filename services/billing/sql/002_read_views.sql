-- What operators and tools may read: billing's published read contract.
create view read_subscriptions as
select id as subscription_id,
       body::json ->> 'provider_id' as provider_id,
       body::json ->> 'reference' as reference,
       due_at,
       waiting,
       version
from subscription;

create view read_refund_cases as
select case_id, subscription_id, order_id, status, code, amount_minor, currency, effect, requested_at, changed_at
from refund_case;

create view read_command_answers as
select command_id, subscription_id, event_id, type, data, answered_at
from command_answer;

-- The facts as billing keeps them, for the timeline and the audit; digests are left out.
create view read_facts as
select id as subscription_id, fact.value ->> 'fact' as fact, (fact.value ->> 'at')::timestamptz as at,
       (fact.value::jsonb - 'name_digest' - 'email_digest')::json as data
from subscription, json_array_elements(body::json -> 'facts') as fact;

-- What is still to do, for the quiet check and `tenure status`.
create view read_work as
select 'outbox' as kind, count(*) as pending, null::timestamptz as next_due_at, 0::bigint as stuck from outbox
union all
select 'due', 0, min(due_at), 0 from subscription where due_at is not null and not waiting
union all
select 'held', 0, null, count(*) from held
union all
select 'outbox_dead', 0, null, count(*) from outbox_dead;
