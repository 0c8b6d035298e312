{#-
    No numbers are 'NaN', 'inf', '1e400', '0x1F', 'abc' and ''.

    A text that the engine's own cast reads as a finite number is that number. A text for which the cast
    gives null is read by these rules, in this order:

    - no-break, narrow and thin spaces are spaces, U+2212 is a minus, U+2019 an apostrophe; the ends are trimmed;
    - one sign: before the number, after it, or brackets around it for a negative;
    - one unit, before or after: a currency sign (also US$, R$), an ISO 4217 code, kr, zł, Kč, Ft; or a
      percent sign after, which does not divide;
    - commas, apostrophes, spaces or dots between groups of three digits, of one sort, are thousands
      separators: '1,234,567.8', '1 234,5', '1.234,5', '1.234.567'. One comma before exactly three digits
      is ambiguous and read as thousands: '1,234' is 1234;
    - any other single comma is the decimal mark: '12,50', '0,123', '1234,567'.
-#}
{% macro parse_number(text) -%}
    {{ return(adapter.dispatch('parse_number', 'pragma')(text)) }}
{%- endmacro %}

{#-
    CASE evaluates a branch only for the rows that reach it, so clean numbers never pay for the rules. One regular
    expression recognises a plain decimal comma, the most frequent other form; another rejects text with digits in
    several places.
-#}
{% macro duckdb__parse_number(text) -%}
    case
        when isfinite(try_cast({{ text }} as double)) then try_cast({{ text }} as double)
        when regexp_full_match({{ text }}, '-?[0-9]{1,15},[0-9]{1,2}')
            then try_cast(replace({{ text }}, ',', '.') as double)
        when
            try_cast({{ text }} as double) is null
            and regexp_full_match(
                {{ text }}, '[^0-9]*[0-9][0-9.,'' \t\r\n\x{2019}\x{00a0}\x{202f}\x{2009}]*[^0-9]*'
            )
            then {{ _dirty_number(text) }}
    end
{%- endmacro %}

{#- The lambda gives the bare number a name, so that it is computed once. -#}
{% macro _dirty_number(text) -%}
    list_filter(list_transform([{{ _bare_number(text) }}], lambda bare: try_cast(
        case
            when regexp_full_match(bare, '[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)') then bare
            when regexp_full_match(bare, '[-+]?[1-9][0-9]{0,2}(,[0-9]{3})+([.][0-9]*)?') then replace(bare, ',', '')
            when regexp_full_match(bare, '[-+]?[1-9][0-9]{0,2}((''[0-9]{3})+|( [0-9]{3})+)([.,][0-9]*)?')
                then translate(bare, ', ''', '.')
            when regexp_full_match(bare, '[-+]?[1-9][0-9]{0,2}(([.][0-9]{3})+,[0-9]+|([.][0-9]{3}){2,})')
                then translate(bare, ',.', '.')
            when regexp_full_match(bare, '[-+]?([0-9]+,[0-9]*|,[0-9]+)') then replace(bare, ',', '.')
        end as double
    )), lambda number: isfinite(number))[1]
{%- endmacro %}

{#- The text without its unit, and with its sign in front. -#}
{% macro _bare_number(text) -%}
    {%- set unit = '(?:[A-Z]{0,2}\\p{Sc}|' ~ _iso_currencies() ~ '|kr|zł|Kč|Ft)' -%}
    regexp_replace(
        regexp_replace(
            regexp_replace(
                trim(translate({{ text }}, '{{ "\u2212\u2019\u00a0\u202f\u2009\t\r\n" }}', '-''      ')),
                '^([^()]*)\( *([^()]*[^() ]) *\)$', '-\1\2'
            ),
            '^(.*[^-+ ]) *-$', '-\1'
        ),
        '^([-+]?) *{{ unit }} *| *(?:{{ unit }}|%)$', '\1'
    )
{%- endmacro %}

{#- The ISO 4217 codes of currencies in use, as alternatives of a pattern. -#}
{% macro _iso_currencies() -%}
    {{ (
        'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF '
        ~ 'CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD '
        ~ 'HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD '
        ~ 'LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK '
        ~ 'PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS '
        ~ 'TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG'
    ) | replace(' ', '|') }}
{%- endmacro %}
