with spend as (

  select
    *,
    row_number() over (partition by network, campaign_id order by seq desc) as place_in_campaign,
    row_number() over (partition by network order by seq desc) as place_in_network,
    row_number() over (partition by network, campaign_id order by day desc, seq desc) as place_by_day,
    row_number() over (
      partition by network, campaign_id order by case when campaign_name <> '' then 0 else 1 end, seq desc
    ) as place_with_name
  from {{ ref('int_adpostbacks__spend') }}

),

campaigns as (

  select
    network,
    campaign_id,
    max(case when place_in_campaign = 1 then currency end) as currency,
    max(case when place_in_campaign = 1 then account_id end) as account_id,
    max(case when place_with_name = 1 then campaign_name end) as campaign_name,
    max(case when place_by_day = 1 then zone end) as zone
  from spend
  group by network, campaign_id

),

networks as (

  select
    network,
    max(case when place_in_network = 1 then currency end) as currency,
    case when count(distinct zone) = 1 then max(zone) end as zone
  from spend
  group by network

),

zoned as (

  select
    own.*,
    campaigns.currency as currency_of_campaign,
    networks.currency as currency_of_network,
    coalesce(
      case when own.campaign_id <> '' then campaigns.zone end,
      networks.zone,
      '{{ var('adpostbacks_timezone', 'UTC') }}'
    ) as zone
  from {{ ref('int_adpostbacks__own') }} as own
  left join campaigns on campaigns.network = own.network and campaigns.campaign_id = own.campaign_id
  left join networks on networks.network = own.network

),

dated as (

  select *, {{ adpostbacks.day_in('counted_at', 'zone') }} as day
  from zoned

),

own as (

  select *
  from dated
  where day >= {{ adpostbacks.performance_since() }} and day <= {{ adpostbacks.performance_until() }}

),

revenue_currencies as (

  select
    network,
    currency,
    row_number() over (partition by network order by count(*) desc, currency desc) as place
  from own
  where is_revenue = 1 and currency <> ''
  group by network, currency

),

settled as (

  select
    own.network,
    own.campaign_id,
    coalesce(own.currency_of_campaign, own.currency_of_network, revenue_currencies.currency, '') as currency,
    own.currency as own_currency,
    own.value,
    own.delivered,
    own.is_conversion,
    own.is_revenue,
    own.day,
    own.zone
  from own
  left join revenue_currencies on revenue_currencies.network = own.network and revenue_currencies.place = 1

),

own_lines as (

  select
    network,
    campaign_id,
    currency,
    sum(is_conversion) as conversions_ours,
    sum(is_conversion * delivered) as conversions_delivered,
    sum(case when is_revenue = 1 and own_currency = currency then coalesce(value, 0) else 0 end) as revenue_ours,
    sum(case when is_revenue = 1 and own_currency = currency then coalesce(value, 0) * delivered else 0 end)
      as revenue_delivered,
    max(day) as last_day,
    min(zone) as zone,
    max(zone) as other_zone
  from settled
  group by network, campaign_id, currency

),

others as (

  select network, campaign_id, currency, own_currency, sum(value) as value
  from settled
  where is_revenue = 1 and own_currency <> currency and own_currency <> '' and value <> 0
  group by network, campaign_id, currency, own_currency

),

other_lines as (

  select
    network,
    campaign_id,
    currency,
    {{ adpostbacks.revenue_other('own_currency', 'value') }} as revenue_other
  from others
  group by network, campaign_id, currency

),

spend_lines as (

  select
    network,
    campaign_id,
    currency,
    {{ adpostbacks.units('spend_micros') }} as spend,
    sum(impressions) as impressions,
    sum(clicks) as clicks,
    {{ adpostbacks.units('conversions_micros') }} as conversions_network,
    {{ adpostbacks.units('value_micros') }} as revenue_network,
    max(day) as last_day,
    min(zone) as zone,
    max(zone) as other_zone,
    max(extracted_at) as spend_as_of
  from spend
  group by network, campaign_id, currency

),

keys as (

  select distinct network, campaign_id, currency
  from (
    select network, campaign_id, currency from spend_lines
    union all
    select network, campaign_id, currency from own_lines
  ) as lines

),

known as (

  select distinct case when network = 'generic' then account else network end as network
  from {{ ref('stg_adpostbacks__deliveries') }}
  where network <> ''

),

joined as (

  select
    keys.network,
    keys.campaign_id,
    keys.currency,
    campaigns.account_id,
    campaigns.campaign_name,
    spend_lines.spend,
    spend_lines.impressions,
    spend_lines.clicks,
    spend_lines.conversions_network,
    spend_lines.revenue_network,
    spend_lines.spend_as_of,
    coalesce(own_lines.conversions_ours, 0) as conversions_ours,
    coalesce(own_lines.conversions_delivered, 0) as conversions_delivered,
    coalesce(own_lines.revenue_ours, 0) as revenue_ours,
    coalesce(own_lines.revenue_delivered, 0) as revenue_delivered,
    other_lines.revenue_other,
    known.network is not null as is_known,
    coalesce(own_lines.last_day, spend_lines.last_day) as last_day,
    case
      when coalesce(spend_lines.zone, own_lines.zone) = coalesce(own_lines.zone, spend_lines.zone)
        and coalesce(spend_lines.zone, own_lines.zone) = coalesce(own_lines.other_zone, spend_lines.other_zone)
        and coalesce(spend_lines.zone, own_lines.zone) = coalesce(spend_lines.other_zone, own_lines.other_zone)
        then coalesce(spend_lines.zone, own_lines.zone)
    end as time_zone,
    spend_lines.last_day as last_day_of_spend,
    sum(coalesce(own_lines.conversions_ours, 0)) over (partition by keys.network, keys.campaign_id) as ours_of_campaign
  from keys
  left join spend_lines
    on spend_lines.network = keys.network
    and spend_lines.campaign_id = keys.campaign_id
    and spend_lines.currency = keys.currency
  left join own_lines
    on own_lines.network = keys.network
    and own_lines.campaign_id = keys.campaign_id
    and own_lines.currency = keys.currency
  left join other_lines
    on other_lines.network = keys.network
    and other_lines.campaign_id = keys.campaign_id
    and other_lines.currency = keys.currency
  left join campaigns on campaigns.network = keys.network and campaigns.campaign_id = keys.campaign_id
  left join known on known.network = keys.network

),

decided as (

  select
    *,
    case
      when ours_of_campaign > 0 then 'ours'
      when conversions_network is not null then 'network'
      when is_known then 'ours'
    end as conversions_source,
    case
      when revenue_ours > 0 then 'ours'
      when revenue_network is not null then 'network'
      when is_known then 'ours'
    end as revenue_source
  from joined

),

used as (

  select
    *,
    case conversions_source when 'ours' then conversions_ours when 'network' then conversions_network end
      as conversions_used,
    case revenue_source when 'ours' then revenue_ours when 'network' then revenue_network end as revenue_used
  from decided

)

select
  network,
  nullif(account_id, '') as account_id,
  nullif(campaign_id, '') as campaign_id,
  campaign_name,
  cast(null as date) as day,
  nullif(currency, '') as currency,
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
  case when conversions_used is not null then conversions_source end as conversions_source,
  {{ adpostbacks.share('spend', 'conversions_used') }} as cpa,
  {{ adpostbacks.share('conversions_used * 1000', 'impressions') }} as ipm,
  {{ adpostbacks.share('conversions_used', 'clicks') }} as cti,
  revenue_ours,
  revenue_delivered,
  revenue_network,
  revenue_used,
  case when revenue_used is not null then revenue_source end as revenue_source,
  revenue_other,
  {{ adpostbacks.share('revenue_used', 'spend') }} as roas,
  time_zone,
  {{ dbt.datediff(
    'case when last_day_of_spend > last_day then last_day_of_spend else last_day end', adpostbacks.today(), 'day'
  ) }} < 28 as provisional,
  spend_as_of
from used
