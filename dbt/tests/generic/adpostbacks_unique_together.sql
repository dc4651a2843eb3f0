{# No two rows are alike in these columns, null among them. #}
{% test adpostbacks_unique_together(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
