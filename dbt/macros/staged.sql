{# A stream of the tap as its loader left it: the newest row of each key, with every column and its type. #}
{% macro staged(stream, key, columns, newest='seq') %}
{{- adpostbacks.typed(source('adpostbacks', stream), columns, key, newest) -}}
{% endmacro %}


{# A relation with these columns and their types.

   columns: name → text, integer, number, boolean, time or date. A text is never null, unless its name ends with "?".
   A column that is not there is null; a relation that is not there is an empty one.
   key: only the row that is greatest in `newest` counts of those that are alike in these columns. #}
{% macro typed(relation, columns, key=[], newest='') %}
{%- set there = adpostbacks.columns_of(relation) -%}
select
  {%- for name, kind in columns.items() %}
  {%- set bare = name | replace('?', '') %}
  {{ adpostbacks.column_staged(there.get(bare), kind, name.endswith('?')) }} as {{ bare }}{{ ',' if not loop.last }}
  {%- endfor %}
from
{%- if not there %}
  (select 1 as adpostbacks_place) as loaded
where adpostbacks_place = 0
{%- elif key %}
  (
    select
      *,
      row_number() over (
        partition by {% for name in key %}{{ adapter.quote(there[name].name) }}{{ ', ' if not loop.last }}{% endfor %}
        order by {{ adapter.quote(there[newest].name) }} desc
      ) as adpostbacks_place
    from {{ relation }}
  ) as loaded
where adpostbacks_place = 1
{%- else %}
  {{ relation }}
{%- endif %}
{% endmacro %}


{% macro column_staged(column, kind, nullable) %}
{%- set types = {
  'text': dbt.type_string(), 'integer': dbt.type_bigint(), 'number': adpostbacks.type_double(), 'boolean': dbt.type_boolean(),
  'time': dbt.type_timestamp(), 'date': 'date',
} -%}
{%- if not column -%}
cast({{ "''" if kind == 'text' and not nullable else 'null' }} as {{ types[kind] }})
{%- elif kind == 'time' -%}
{{ adpostbacks.utc(adapter.quote(column.name), column.data_type | lower) }}
{%- elif kind == 'text' and not nullable -%}
coalesce(cast({{ adapter.quote(column.name) }} as {{ types[kind] }}), '')
{%- else -%}
cast({{ adapter.quote(column.name) }} as {{ types[kind] }})
{%- endif -%}
{% endmacro %}


{# The columns of a relation by their names in small letters; none before it is there. #}
{% macro columns_of(relation) %}
{%- set there = {} -%}
{%- if execute -%}
  {%- set found = load_relation(relation) -%}
  {%- for column in (adapter.get_columns_in_relation(found) if found else []) -%}
    {%- do there.update({column.name | lower: column}) -%}
  {%- endfor -%}
{%- endif -%}
{{ return(there) }}
{% endmacro %}
