{#-
    A first word that means how many or whether decides if other words follow (`num_codes`, `is_paid`); otherwise the
    last known word decides (`amount_type`).
-#}
{% macro name_hint(words) -%}
    {%- set known = _key_words() -%}
    case
        when regexp_matches({{ words }}, '^ (?:{{ known.how_many }}) [^ ]') then 'quantity'
        when regexp_matches({{ words }}, '^ (?:{{ known.whether }}) [^ ]') then 'code'
        {%- for hint in ['quantity', 'code', 'text', 'calendar'] %}
        when regexp_full_match({{ _last_known(words, known) }}, '{{ known[hint] }}') then '{{ hint }}'
        {%- endfor %}
        when regexp_matches({{ words }}, ' (?:number|no|nr|num|nbr) ') then 'code'
    end
{%- endmacro %}

{% macro _last_known(words, known) -%}
    regexp_extract(
        {{ words }}, '.* ({{ known.quantity }}|{{ known.code }}|{{ known.text }}|{{ known.calendar }}) ', 1
    )
{%- endmacro %}

{#- Words by what they suggest, as patterns; some also match the end of a longer word: `oldbalance`, `zipcode`. -#}
{% macro _key_words() -%}
    {{ return({
        'how_many': 'n|num|nb|nbr|no of|number of|count|cnt|total|sum|avg|mean|median|max|min|std|sd|days|months|years|weeks'
            ~ '|hours|pct|percent|ratio|anzahl|pocet|liczba|antal|aantal|cantidad|quantidade',
        'whether': 'is|has|was|flag|ind|can',
        'quantity': 'amt|amnt|bal|cost|fee|fees|tax|income|salary|wage|revenue|turnover|profit|loss|margin|debt|limit|principal'
            ~ '|installment|instalment|annuity|payment|payments|paid|spend|spent|spending|sales|bill|sum|total|value|val|worth'
            ~ '|volume|quantity|qty|count|cnt|counts|counter|age|days|months|mths|mos|years|yrs|weeks|hours|hrs|minutes|mins|seconds|secs'
            ~ '|duration|tenure|length|width|height|weight|size|area|distance|dist|score|rate|ratio|pct|percent|percentage'
            ~ '|share|interest|apr|dti|fico|utilization|utilisation|probability|prob|points|click|clicks|visits|views|calls|trips'
            ~ '|sessions|attempts|retries|times|year|yr|population|temp|temperature|pressure|dose|speed|lat|latitude|lon'
            ~ '|longitude|late|overdue|dpd|delay|lag|gap|since|change|delta|diff|discount|disc|bonus|commission|reward|cashback'
            ~ '|children|kids|dependents|inquiries|accounts|cards|loans|betrag|anzahl|saldo|summe|menge|preis|alter|dauer|tage'
            ~ '|kosten|umsatz|montant|solde|prix|duree|jours|importe|monto|cantidad|precio|edad|dias|importo|prezzo|valor|idade'
            ~ '|bedrag|aantal|leeftijd|prijs|kwota|ilosc|cena|wiek|dni|castka|zustatek|pocet|vek|belopp|antal|summa'
            ~ '|[a-z]*(?:amount|balance|price)',
        'code': 'cd|id|ids|key|uid|uuid|ref|reference|type|typ|kind|category|cat|class|group|grp|segment|status|state|stage|flag'
            ~ '|ind|indicator|grade|tier|band|mcc|sic|naics|icd|zip|postal|plz|iban|bic|swift|bin|account|acct|card|terminal|tid'
            ~ '|mid|store|shop|branch|bank|atm|agent|dealer|vendor|supplier|seller|customer|client|user|device|browser|os'
            ~ '|platform|channel|source|campaign|product|item|sku|upc|ean|isbn|stock|dept|department|region|district|city'
            ~ '|country|county|province|currency|ccy|cur|language|lang|gender|sex|ethnicity|education|marital|marriage'
            ~ '|occupation|job|industry|sector|model|brand|color|colour|symbol|mode|method|operation|action|reason|response'
            ~ '|result|decision|plan|version|batch|invoice|order|ticket|phone|ip|serial|cluster|label|site'
            ~ '|konto|klasse|gruppe|geschlecht|filiale|land|sexe|pays|devise|tipo|sexo|pais|moneda|codigo|cuenta|codice|kod'
            ~ '|[a-z]*(?:code|codes)',
        'text': 'name|description|desc|note|notes|memo|comment|comments|remark|remarks|narrative|text|message|msg|subject'
            ~ '|details|address|street|merchant|payee|beneficiary|counterparty|title|url|email|query|search|bezeichnung'
            ~ '|verwendungszweck|beschreibung|libelle|nom|descripcion|concepto|popis|nazev|opis|nazwa|tytul',
        'calendar': 'month|weekday|dow|dayofweek|day|hour|quarter|qtr|week|wday|monat|wochentag|mois|mes',
    }) }}
{%- endmacro %}
