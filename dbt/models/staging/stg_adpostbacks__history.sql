{{ adpostbacks.staged(
  'history',
  ['seq'],
  {
    'seq': 'integer',
    'delivery_id': 'integer',
    'attempt_id?': 'text',
    'status': 'text',
    'reason': 'text',
    'code': 'text',
    'message': 'text',
    'updated_at': 'time',
  }
) }}
