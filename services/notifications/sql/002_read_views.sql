-- What operators and tools may read: notifications' published read contract. No address, no body.
create view read_mail as
select notice_id, subscription_id, kind, status, outcome, smtp_code, requested_at, stage_at,
       case when status = 'queued' then next_attempt_at end as next_attempt_at,
       attempts, resent, message_id
from mail;

-- What is still to do, for the quiet check and `tenure status`.
-- A mail without a contact is due when its wait of 24 hours (CONTACT_WAIT) is over.
create view read_work as
select 'outbox' as kind, count(*) as pending, null::timestamptz as next_due_at, 0::bigint as stuck from outbox
union all
select 'due', 0, min(due_at), 0 from correspondence where due_at is not null and not waiting
union all
select 'mail', count(*) filter (where status = 'started'),
       min(case when contact.customer_id is null
                then greatest(next_attempt_at, requested_at + interval '24 hours')
                else next_attempt_at end) filter (where status = 'queued'), 0
from mail left join contact using (customer_id) where status in ('queued', 'started')
union all
select 'held', 0, null, count(*) from held
union all
select 'outbox_dead', 0, null, count(*) from outbox_dead;
