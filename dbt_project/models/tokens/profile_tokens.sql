{{ config(materialized='table', post_hook="{{ mark_built('profile_tokens') }}") }}

{{ tokenize_profiles(tokenizer_spec(ref('tokenizer')), checked('profiles'), ref('texts')) }}
