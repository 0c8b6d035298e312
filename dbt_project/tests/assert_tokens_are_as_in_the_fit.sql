{{ config(severity='warn') }}
-- Warns of what looks another way than what the tokenizer was fitted on; the lines are printed when the build ends.
select * from {{ ref('drift_lines') }}
