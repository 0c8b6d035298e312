{{ config(materialized='table', post_hook="{{ '' if is_candidate() else mark_built('profile_tokens') }}") }}

{{ tokenize_profiles(tokenizer_spec(ref('tokenizer')), checked('profiles'), ref('texts')) }}
