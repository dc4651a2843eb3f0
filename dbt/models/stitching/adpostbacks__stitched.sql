{{ config(enabled=var('adpostbacks_stitching', false)) }}

{{ adpostbacks.stitched(
  clicks=ref(var('adpostbacks_clicks', 'ad_clicks')),
  identities=ref(var('adpostbacks_identities')) if var('adpostbacks_identities', '') else none,
  conversions=ref(var('adpostbacks_conversions', 'ad_conversions')),
  window_days=var('adpostbacks_click_window_days', 30),
  model=var('adpostbacks_click_model', 'last'),
  credit=var('adpostbacks_click_credit', 'each_network')
) }}
