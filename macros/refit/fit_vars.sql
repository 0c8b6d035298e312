{#- The vars that the fit reads. A new var belongs here; a test compares the list with the models. -#}
{% macro fit_vars() -%}
    {{ return([
        'fit_until', 'fit_users', 'validation_share', 'test_share', 'calendar_tz', 'bins', 'vocabulary_size', 'max_categories',
        'numeric_share', 'leading_zero_share', 'missing_words', 'text_sample', 'text_characters',
        'max_event_tokens', 'max_profile_tokens',
    ]) }}
{%- endmacro %}
