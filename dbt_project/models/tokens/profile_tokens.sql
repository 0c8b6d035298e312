{{ tokenize_profiles(tokenizer_spec(ref('tokenizer')), checked_ref('profiles'), ref('text_tokens')) }}
