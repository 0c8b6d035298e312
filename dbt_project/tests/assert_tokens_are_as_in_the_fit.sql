{{ config(severity='warn') }}
-- Warns when the last days look another way than what the tokenizer was fitted on.
{{ drifted(ref('token_drift'), 'warn') }}
