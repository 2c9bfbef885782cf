-- What `tenure audit` judges: how far the row has read and told each topic, and when it acts next.
create view read_states as
select id as subscription_id, due_at, waiting, positions, sequences from correspondence;
