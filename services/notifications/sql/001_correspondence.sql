-- One row per subscription: all its notices. The body is JSON; it is read whole.
create table correspondence (
    id uuid primary key,
    version bigint not null,
    due_at timestamptz,
    decided_at timestamptz not null,
    waiting boolean not null default false,
    positions json not null,
    sequences json not null,
    body text not null
) with (fillfactor = 70);
create index correspondence_due on correspondence (due_at) where due_at is not null and not waiting;

-- Addresses in clear: the only place of ours that keeps them. An erased customer keeps an empty row.
create table contact (
    customer_id uuid primary key,
    sequence bigint not null,
    erased boolean not null default false,
    name text,
    email text,
    locale text,
    time_zone text,
    region text
);

-- The mail ledger: one row per notice, for ever the same row.
-- started: "data started" is committed, from now on nobody knows whether the mail left until it is done.
-- outcome on a row that is not done: it was retracted while it was on the wire.
create table mail (
    notice_id uuid primary key,
    subscription_id uuid not null,
    customer_id uuid not null,
    kind text not null,
    letter json not null,
    requested_at timestamptz not null,
    status text not null default 'queued' check (status in ('queued', 'started', 'done')),
    outcome text,
    smtp_code smallint,
    stage_at timestamptz not null,
    next_attempt_at timestamptz not null,
    attempts integer not null default 0,
    resent boolean not null default false,
    message_id text,
    -- Who is sending it, and until when (real time) that claim holds.
    claim uuid,
    claimed_until timestamptz
) with (fillfactor = 70);
create index mail_due on mail (next_attempt_at) where status = 'queued';
create index mail_started on mail (claimed_until) where status = 'started';
create index mail_of_subscription on mail (subscription_id);
