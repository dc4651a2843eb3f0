{%- set most_keys = 40 -%}
with sent as (

  select day, network, account, event_name, match_keys, count(*) as conversions
  from {{ ref('int_adpostbacks__counted') }}
  where status in ('accepted', 'rejected')
  group by day, network, account, event_name, match_keys

),

ways as (

  select match_keys
  from sent
  where match_keys <> ''
  group by match_keys

),

named as (
  {% for number in range(1, most_keys + 1) %}
  select match_keys, {{ dbt.split_part('match_keys', "','", number) }} as match_key from ways
  where length(match_keys) - length(replace(match_keys, ',', '')) >= {{ number - 1 }}
  {{ 'union all' if not loop.last }}
  {%- endfor %}

),

keys as (

  select match_keys, match_key
  from named
  where match_key <> ''
  group by match_keys, match_key

),

totals as (

  select day, network, account, event_name, sum(conversions) as conversions
  from sent
  group by day, network, account, event_name

),

counted as (

  select sent.day, sent.network, sent.account, sent.event_name, keys.match_key, sum(sent.conversions) as with_key
  from sent
  inner join keys on keys.match_keys = sent.match_keys
  group by sent.day, sent.network, sent.account, sent.event_name, keys.match_key

)

select
  counted.day,
  counted.network,
  counted.account,
  counted.event_name,
  counted.match_key,
  counted.with_key,
  totals.conversions,
  {{ adpostbacks.share('counted.with_key', 'totals.conversions') }} as coverage
from counted
inner join totals
  on totals.day = counted.day
  and totals.network = counted.network
  and totals.account = counted.account
  and totals.event_name = counted.event_name
