-- One row per subscription: the periods and will as billing told them, and what licensing said.
create table license (
    id uuid primary key,
    version bigint not null,
    due_at timestamptz,
    decided_at timestamptz not null,
    waiting boolean not null default false,
    positions json not null,
    sequences json not null,
    body text not null
) with (fillfactor = 70);
create index license_due on license (due_at) where due_at is not null and not waiting;
