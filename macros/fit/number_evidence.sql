{#- The columns are those of fit.field_stats and fit.number_shapes; see docs/decisions/kinds.md. -#}
{% macro number_evidence() -%}
    [
        {{ evidence("'named like a ' || hint", [
            ["hint = 'quantity'", 3], ["hint = 'code'", -3], ["hint = 'calendar'", -1],
        ]) }},
        {{ evidence(thousands('leading_zeros') ~ " || ' with a leading zero'", [
            ['leading_zeros > 0 and leading_zeros >= ' ~ var('leading_zero_share') ~ ' * said', -6],
        ]) }},
        {{ evidence("'few distinct'", [
            ['distinct_values <= 2 and said >= 10', -5], ['distinct_values <= 12 and said >= 5 * distinct_values', -2],
        ]) }},
        {{ evidence(percent('decimal_share') ~ " || ' with decimals'", [
            ['decimal_share >= 0.2', 4], ['decimal_share >= 0.01', 2],
        ]) }},
        {{ evidence(percent('negative_share') ~ " || ' negative'", [
            ['negative_share >= 0.002 and distinct_values > 12', 1.5],
        ]) }},
        {{ evidence(percent('zero_share') ~ " || ' zero'", [['zero_share >= 0.1 and distinct_values > 12', 1.5]]) }},
        {{ evidence(percent('round_share') ~ " || ' end in 0'", [['round_share >= 0.3 and distinct_values > 12', 1.5]]) }},
        {{ evidence("'neighbours are about as frequent'", [
            ['roughness <= 0.3 and distinct_values >= 8 and (not is_whole or density >= 0.1 or round_share >= 0.2)', 2.5],
        ]) }},
        {{ evidence("'neighbours differ in frequency'", [
            ['roughness >= 0.8 and distinct_values >= 8 and round_share < 0.2', -2],
            ['roughness >= 0.55 and distinct_values >= 8 and round_share < 0.2', -1],
        ]) }},
        {{ evidence("'the larger the rarer'", [
            ['rising <= -0.7 and distinct_values >= 8', 1], ['rising <= -0.8 and distinct_values >= 4', 1],
        ]) }},
        {{ evidence("'a long tail'", [['middle > 0 and high > 5 * middle and distinct_values > 12', 1]]) }},
        {{ evidence("'of several magnitudes'", [['low > 0 and high > 200 * low', 1.5]]) }},
        {{ evidence("'first digits as in figures'", [
            ['high > 100 * greatest(low, 1) and mantissa_mean between 0.42 and 0.58 and mantissa_sd between 0.25 and 0.33', 1],
        ]) }},
        {{ evidence("'all of ' || width || ' digits'", [
            ['width >= 4 and distinct_values >= 8', -2], ['width = 3 and distinct_values >= 8', -1.5],
        ]) }},
        {{ evidence("'hardly one occurs twice'", [
            ['is_whole and said >= 50 and once >= 0.9 * said and density >= 0.3', -3],
            ['is_whole and said >= 200 and once >= 0.9 * said and round_share < 0.2', -1.5],
        ]) }},
        {{ evidence("'long numbers'", [['is_whole and low >= 1e8', -2]]) }},
        {{ evidence("'numbers'", [['true', 0.5]]) }}
    ]
{%- endmacro %}
