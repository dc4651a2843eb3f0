{#- Our own conversions, each once for its network, whatever became of its deliveries. -#}
{%- set not_counted = [
  'invalid', 'organic', 'not_attributed', 'other_network', 'deleted', 'no_consent', 'suppressed', 'by_rule',
  'before_click', 'outside_window',
] -%}
{%- set conversions = var('adpostbacks_conversion_events', ['install']) -%}
{%- set revenue = var('adpostbacks_revenue_events', ['purchase', 'subscribe']) -%}
with deliveries as (

  select
    {#- the accounts of the section generic are networks #}
    case when network = 'generic' then account else network end as network,
    event_name,
    event_id,
    coalesce(campaign_id, '') as campaign_id,
    coalesce(currency, '') as currency,
    value,
    delivery_id,
    {{ 'coalesce(click_time, event_time)' if var('adpostbacks_count_by', 'conversion') == 'click' else 'event_time' }} as counted_at,
    case when asset like '%@http://%' or asset like '%@https://%' then 1 else 0 end as is_trial,
    case when status = 'accepted' then 1 else 0 end as is_taken
  from {{ ref('stg_adpostbacks__deliveries') }}
  where
    network <> ''
    and not test
    and adjustment = ''
    and event_time is not null
    and event_name in {{ adpostbacks.texts(conversions + revenue) }}
    and reason not in {{ adpostbacks.texts(not_counted) }}

),

placed as (

  select
    *,
    row_number() over (partition by network, event_name, event_id order by is_trial, delivery_id) as place,
    max(1 - is_trial) over (partition by network, event_name, event_id) as has_live,
    max(is_taken) over (partition by network, event_name, event_id) as taken,
    max(is_taken * (1 - is_trial)) over (partition by network, event_name, event_id) as taken_live
  from deliveries

)

select
  network,
  event_name,
  event_id,
  campaign_id,
  currency,
  value,
  counted_at,
  case when has_live = 1 then taken_live else taken end as delivered,
  case when event_name in {{ adpostbacks.texts(conversions) }} then 1 else 0 end as is_conversion,
  case when event_name in {{ adpostbacks.texts(revenue) }} then 1 else 0 end as is_revenue
from placed
where place = 1
