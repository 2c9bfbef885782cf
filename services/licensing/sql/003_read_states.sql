-- What `tenure audit` judges: the history as billing told it, the events that still stand, how far
-- the row has read and told each topic, and when it acts next.
create view read_states as
select id as subscription_id,
       body::json ->> 'provider_id' as provider_id,
       body::json -> 'history' as history,
       (select json_agg(said.value ->> 'event_id' order by said.position)
        from json_array_elements(body::json -> 'said') with ordinality as said (value, position)) as in_force,
       due_at,
       waiting,
       positions,
       sequences
from license;
