-- The virtual clock: one row, moved by `tenure clock` and the simulator's driver, read inside transactions.
create table clock (
    one boolean primary key default true check (one),
    now timestamptz not null
);

create view read_clock as
select now from clock;
