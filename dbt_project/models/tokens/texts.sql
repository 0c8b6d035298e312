{{ encoded_texts(tokenizer_spec(ref('tokenizer')), checked('new_events'), checked('profiles')) }}
