{{ encoded_texts(tokenizer_spec(ref('tokenizer')), checked(arrived_events()), checked('profiles')) }}
