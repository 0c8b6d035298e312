-- Fails when the tokenizer no longer knows what it is shown: it is time for a refit.
select * from {{ ref('drift_lines') }} where is_far_beyond
