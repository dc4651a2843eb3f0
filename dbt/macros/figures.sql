{# How many rows have a status. #}
{% macro count_of(status) %}
sum(case when status = '{{ status }}' then 1 else 0 end)
{% endmacro %}

{# The money of the rows with a status; null where none of them has any. #}
{% macro money_of(status) %}
sum(case when status = '{{ status }}' then money end)
{% endmacro %}

{# A share from 0 to 1; null of nothing. #}
{% macro share(part, whole) %}
cast({{ part }} as {{ adpostbacks.type_double() }}) / nullif({{ whole }}, 0)
{% endmacro %}

{# The least time that so many percent of the requests do not exceed; rows are numbered by `place`, of `requests`. #}
{% macro percentile(percent) %}
min(case when 100 * place >= {{ percent }} * requests then latency_ms end)
{% endmacro %}

{# A number of double precision; `dbt.type_float()` is a single one in some databases. #}
{% macro type_double() %}
{{- return(adapter.dispatch('type_double', 'adpostbacks')()) -}}
{% endmacro %}

{% macro default__type_double() %}double precision{% endmacro %}

{% macro bigquery__type_double() %}float64{% endmacro %}

{# The sum of millionths, in units; null where none is known. #}
{% macro units(micros) -%}
cast(sum({{ micros }}) as {{ adpostbacks.type_double() }}) / 1000000
{%- endmacro %}

{# Sums in other currencies as the text of a JSON object: {"EUR": 25}. #}
{% macro revenue_other(currency, value) -%}
concat(
  '{',
  {{ dbt.listagg(
    "concat('\"', " ~ currency ~ ", '\": ', cast(" ~ value ~ " as " ~ dbt.type_string() ~ "))",
    "', '",
    "order by " ~ currency
  ) }},
  '}'
)
{%- endmacro %}
