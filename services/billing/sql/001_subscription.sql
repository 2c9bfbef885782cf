-- One row per subscription: its facts and what was said about them. The body is JSON; it is read whole.
create table subscription (
    id uuid primary key,
    version bigint not null,
    due_at timestamptz,
    decided_at timestamptz not null,
    waiting boolean not null default false,
    positions json not null,
    sequences json not null,
    body text not null
) with (fillfactor = 70);
create index subscription_due on subscription (due_at) where due_at is not null and not waiting;

-- Customers have their own sequence on customers.contacts; no name or address is kept here.
create table customer (
    id uuid primary key,
    sequence bigint not null,
    occurred_at timestamptz not null,
    erased_at timestamptz
) with (fillfactor = 70);

-- Refund cases as operators list them; written together with the event that tells each step.
create table refund_case (
    case_id uuid primary key,
    subscription_id uuid not null,
    order_id text not null,
    status text not null,
    code text,
    amount_minor bigint not null,
    currency text not null,
    effect text not null,
    requested_at timestamptz not null,
    changed_at timestamptz not null
);
create index refund_case_waiting on refund_case (requested_at) where status = 'under-review';

-- The event that answered each command, so that repeating a command finds its answer.
create table command_answer (
    command_id text primary key,
    subscription_id uuid not null,
    event_id uuid not null,
    type text not null,
    data json not null,
    answered_at timestamptz not null
);
