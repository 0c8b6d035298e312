{{ encoded_texts(tokenizer_spec(ref('tokenizer')), checked_ref(arrived_events()), checked_ref('profiles')) }}
