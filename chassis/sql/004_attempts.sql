-- How often a dead letter was refused: the first time, and each time that an operator sent it back.
alter table inbox add column attempts int not null default 1;

create or replace view read_parked as
select consumer, source, id, topic, partition, "offset", received_at, attempts
from inbox where status = 'parked';
