-- The virtual clock: one row, read inside each transaction when CLOCK=virtual, moved by `tenure clock`.
create table clock (
    one boolean primary key default true check (one),
    now timestamptz not null
);

create view read_clock as
select now from clock;
