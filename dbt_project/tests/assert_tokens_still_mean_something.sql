-- Fails when the tokenizer no longer knows much of the data, so that a refit is due.
select * from {{ ref('drift_lines') }} where is_far_beyond
