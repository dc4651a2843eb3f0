select
  day,
  network,
  account,
  event_name,
  currency,
  {{ adpostbacks.money_of('accepted') }} as accepted_value,
  {{ adpostbacks.money_of('rejected') }} as rejected_value,
  {{ adpostbacks.money_of('skipped') }} as skipped_value,
  {{ adpostbacks.money_of('open') }} as open_value
from {{ ref('int_adpostbacks__counted') }}
where money is not null
group by day, network, account, event_name, currency
