{% macro text_evidence() -%}
    [
        {{ evidence(percent('unknown_share') ~ " || ' would be unknown'", [
            ['unknown_share >= 0.5', 5], ['unknown_share >= 0.2', 3], ['unknown_share >= 0.1', 2],
            ['unknown_share >= 0.05', 1], ['unknown_share < 0.005 and said >= 10 * distinct_values', -3],
            ['unknown_share < 0.02', -1.5],
        ]) }},
        {{ evidence("'few rows a value'", [['said < 5 * distinct_values and distinct_values > 100', 3.5]]) }},
        {{ evidence("'few distinct'", [
            ['distinct_values <= 50 and said >= 5 * distinct_values and unknown_share < 0.1', -1.5],
        ]) }},
        {{ evidence("'of several words'", [['spaces >= 2 and distinct_values > 100', 1.5]]) }},
        {{ evidence("'named like a ' || hint", [
            ["hint = 'text' and distinct_values > 50", 1.5], ["hint = 'code'", -1],
        ]) }},
        {{ evidence("'values'", [['true', -0.5]]) }}
    ]
{%- endmacro %}
