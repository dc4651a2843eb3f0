{#- One total a currency: currencies are never added up, and ratios come of sums. -#}
{%- set counts = [
  'spend', 'impressions', 'clicks', 'conversions_ours', 'conversions_delivered', 'conversions_network', 'conversions_used',
  'revenue_ours', 'revenue_delivered', 'revenue_network', 'revenue_used',
] -%}
with totals as (

  select
    currency,
    {%- for name in counts %}
    sum({{ name }}) as {{ name }},
    {%- endfor %}
    {%- for name in ['conversions_source', 'revenue_source'] %}
    case when count(distinct {{ name }}) > 1 then 'mixed' else max({{ name }}) end as {{ name }},
    {%- endfor %}
    max(spend_as_of) as spend_as_of
  from {{ ref('adpostbacks__performance') }}
  group by currency

)

select
  currency,
  spend,
  impressions,
  {{ adpostbacks.share('spend * 1000', 'impressions') }} as cpm,
  clicks,
  {{ adpostbacks.share('spend', 'clicks') }} as cpc,
  {{ adpostbacks.share('clicks', 'impressions') }} as ctr,
  conversions_ours,
  conversions_delivered,
  conversions_network,
  conversions_used,
  conversions_source,
  {{ adpostbacks.share('spend', 'conversions_used') }} as cpa,
  {{ adpostbacks.share('conversions_used * 1000', 'impressions') }} as ipm,
  {{ adpostbacks.share('conversions_used', 'clicks') }} as cti,
  revenue_ours,
  revenue_delivered,
  revenue_network,
  revenue_used,
  revenue_source,
  {{ adpostbacks.share('revenue_used', 'spend') }} as roas,
  spend_as_of
from totals
