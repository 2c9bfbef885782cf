-- The made-up aggregate of the chassis' own tests.
create table tally (
    id uuid primary key,
    version bigint not null,
    due_at timestamptz,
    decided_at timestamptz not null,
    waiting boolean not null default false,
    positions json not null,
    sequences json not null,
    body text not null
) with (fillfactor = 70);
create index tally_due on tally (due_at) where due_at is not null and not waiting;
