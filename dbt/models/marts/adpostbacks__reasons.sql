select
  day,
  network,
  account,
  event_name,
  status,
  reason,
  code,
  coalesce(currency, '') as currency,
  count(*) as conversions,
  sum(money) as value
from {{ ref('int_adpostbacks__counted') }}
where status <> 'accepted'
group by day, network, account, event_name, status, reason, code, coalesce(currency, '')
