select
  {{ adpostbacks.day_of('deadline') }} as lost_after,
  network,
  account,
  currency,
  count(*) as conversions,
  sum(value) as value,
  min(deadline) as first_deadline
from {{ ref('int_adpostbacks__counted') }}
where status = 'open' and network <> '' and currency <> '' and value is not null
group by 1, network, account, currency
