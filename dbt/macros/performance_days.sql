{# SQL of the first and the last day that adpostbacks__performance is about; both are in. #}
{% macro performance_since() %}
{%- if var('adpostbacks_performance_since', '') -%}
cast('{{ var('adpostbacks_performance_since') }}' as date)
{%- else -%}
cast({{ dbt.dateadd('day', 1 - var('adpostbacks_performance_days', 30), adpostbacks.performance_until()) }} as date)
{%- endif -%}
{% endmacro %}

{% macro performance_until() %}
{%- if var('adpostbacks_performance_until', '') -%}
cast('{{ var('adpostbacks_performance_until') }}' as date)
{%- else -%}
{{ adpostbacks.today() }}
{%- endif -%}
{% endmacro %}

{# Names as SQL's list of texts. #}
{% macro texts(names) -%}
({% for name in names %}'{{ name | replace("'", "''") }}'{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# A day, UTC. #}
{% macro today() -%}
cast({{ adpostbacks.utc(dbt.current_timestamp(), 'timestamp with time zone') }} as date)
{%- endmacro %}

{# Where a stream stands among those that tell of the same days: first as the variable has them, then by name. #}
{% macro place_of(stream) -%}
case {{ stream }}
{%- for name in var('adpostbacks_performance_streams', []) %} when '{{ name | replace("'", "''") }}' then {{ loop.index }}{% endfor %}
{%- if not var('adpostbacks_performance_streams', []) %} when '' then 0{% endif %} else 1000000 end
{%- endmacro %}
