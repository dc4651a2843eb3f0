with made as (
  select event_name, event_id, ttclid, rdt_cid, click_time, network, campaign_id, stitched_by, first_click_id, last_click_id
  from ({{ adpostbacks.stitched(ref('ad_clicks'), ref('ad_identities'), ref('ad_conversions')) }}) as stitched
),

expected as (
  select event_name, event_id, ttclid, rdt_cid, click_time, network, campaign_id, stitched_by, first_click_id, last_click_id
  from {{ ref('expected_stitched') }}
  where variant = 'last'
)

(select 'too much' as fault, made.* from made except select 'too much', expected.* from expected)
union all
(select 'missing' as fault, expected.* from expected except select 'missing', made.* from made)
