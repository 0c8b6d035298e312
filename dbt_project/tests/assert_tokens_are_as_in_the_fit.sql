{{ config(severity='warn') }}
-- Warns when the data differ from what the tokenizer was fitted on; the lines are printed when the build ends.
select * from {{ ref('drift_lines') }}
