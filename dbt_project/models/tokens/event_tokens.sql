{{ tokenize_events(tokenizer_spec(ref('tokenizer')), checked('events'), ref('vocabulary')) }}
