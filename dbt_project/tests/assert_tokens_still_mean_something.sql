-- Fails when the tokenizer no longer knows what it is shown: it is time for a refit.
{{ drifted(ref('token_drift'), 'error') }}
