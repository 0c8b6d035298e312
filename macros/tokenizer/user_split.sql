{#- The hash of the id alone decides, so that the split never changes as the dataset grows. -#}
{% macro user_split(user_id, validation_share, test_share) -%}
    case
        when {{ hash_bucket(user_id, 10000) }} < {{ (test_share * 10000) | round | int }} then 'test'
        when
            {{ hash_bucket(user_id, 10000) }}
            < {{ ((test_share + validation_share) * 10000) | round | int }}
            then 'validation'
        else 'train'
    end
{%- endmacro %}
