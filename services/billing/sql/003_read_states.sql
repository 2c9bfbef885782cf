-- What `tenure audit` judges: the facts in their stored order (digests blanked), how far the row has
-- read and told each topic, and when it acts next. One row per subscription, so that it can be paged.
create view read_states as
select id as subscription_id,
       body::json ->> 'provider_id' as provider_id,
       body::json ->> 'reference' as reference,
       (select json_agg(case when fact.value ->> 'fact' = 'ordered'
                             then (fact.value::jsonb || '{"name_digest": "", "email_digest": ""}')::json
                             else fact.value end order by fact.position)
        from json_array_elements(body::json -> 'facts') with ordinality as fact (value, position)) as facts,
       due_at,
       waiting,
       positions,
       sequences
from subscription;
