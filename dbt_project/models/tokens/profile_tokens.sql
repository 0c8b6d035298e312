{{ tokenize_profiles(tokenizer_spec(ref('tokenizer')), checked('profiles'), ref('texts')) }}
