{# A stream of the tap as its loader left it: the newest row of each key, with every column and its type.

   columns: name → text, integer, number, boolean or time. A text is never null, unless its name ends with "?".
   A column that was not loaded is null; a table that is not there is an empty one. #}
{% macro staged(stream, key, columns, newest='seq') %}
{%- set loaded = {} -%}
{%- set relation = source('adpostbacks', stream) -%}
{%- if execute -%}
  {%- set there = load_relation(relation) -%}
  {%- for column in (adapter.get_columns_in_relation(there) if there else []) -%}
    {%- do loaded.update({column.name | lower: column}) -%}
  {%- endfor -%}
{%- endif -%}
select
  {%- for name, kind in columns.items() %}
  {{ adpostbacks.column_staged(loaded.get(name | replace('?', '')), kind, name.endswith('?')) }} as {{ name | replace('?', '') }}{{ ',' if not loop.last }}
  {%- endfor %}
from
{%- if loaded %}
  (
    select
      *,
      row_number() over (
        partition by {% for name in key %}{{ adapter.quote(loaded[name].name) }}{{ ', ' if not loop.last }}{% endfor %}
        order by {{ adapter.quote(loaded[newest].name) }} desc
      ) as adpostbacks_place
    from {{ relation }}
  ) as loaded
where adpostbacks_place = 1
{%- else %}
  (select 1 as adpostbacks_place) as loaded
where adpostbacks_place = 0
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
