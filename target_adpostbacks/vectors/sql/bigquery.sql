-- Normalizes and hashes match keys in BigQuery, as the vectors beside this folder have them.
--
-- The same functions as postgresql.sql for the same rows; what is listed there under "not" is not reproduced here.
-- A test runs PostgreSQL's functions on every row. Nothing runs these: try them on the rows before you rely on them.
-- A function takes one value; for an array, call it for each.
-- Leave out TEMP and name a data set to keep the functions.

-- A text without the white space around it and without invisible characters; NULL for what programs write for nothing.
CREATE TEMP FUNCTION adpostbacks_text(raw STRING) RETURNS STRING AS ((
  SELECT IF(
    LOWER(clean) IN ('', 'null', 'none', 'undefined', 'nan', 'n/a', '(not set)', '[object object]'), NULL, clean
  )
  FROM (SELECT REGEXP_REPLACE(REGEXP_REPLACE(raw, r'\p{Cf}', ''), r'^[\s\p{Z}]+|[\s\p{Z}]+$', '') AS clean)
));

-- SHA-256 of a normalized text as 64 lower-case hex digits. What came as such a hash is passed on in lower case.
CREATE TEMP FUNCTION adpostbacks_hash(raw STRING, normalized STRING) RETURNS STRING AS (
  CASE
    WHEN REGEXP_CONTAINS(adpostbacks_text(raw), r'^[0-9A-Fa-f]{64}$') THEN LOWER(adpostbacks_text(raw))
    WHEN normalized != '' THEN TO_HEX(SHA256(normalized))
  END
);

-- An e-mail address, composed (NFC) and in lower case.
-- rows: meta.email openai_ads.email pinterest.email snapchat.email tiktok.email x.email
-- call: adpostbacks_hash(value, adpostbacks_email(value))
CREATE TEMP FUNCTION adpostbacks_email(raw STRING) RETURNS STRING AS (
  REGEXP_EXTRACT(
    RTRIM(TRIM(REGEXP_REPLACE(
      REGEXP_REPLACE(LOWER(NORMALIZE(adpostbacks_text(raw), NFC)), r'^.*<([^<>]*)>$', r'\1'), r'^mailto:', ''
    ), '"\' '), '.,;'),
    r'^[^\s@<>]+@[^\s@<>]+$'
  )
);

-- The address without what follows a plus, and without dots and other signs before the @.
-- rows: reddit.email
-- call: adpostbacks_hash(value, adpostbacks_email_without_tag(value))
CREATE TEMP FUNCTION adpostbacks_email_without_tag(raw STRING) RETURNS STRING AS ((
  SELECT NULLIF(
    REGEXP_REPLACE(REGEXP_REPLACE(SPLIT(address, '@')[SAFE_OFFSET(0)], r'\+.*$', ''), r'[^0-9a-z]', ''), ''
  ) || '@' || SPLIT(address, '@')[SAFE_OFFSET(1)]
  FROM (SELECT adpostbacks_email(raw) AS address)
));

-- A phone number without an extension and a spreadsheet's decimals. NULL where letters are left, other than the usual
-- words of phone lists: it is something else.
CREATE TEMP FUNCTION adpostbacks_phone_text(raw STRING) RETURNS STRING AS ((
  SELECT IF(REGEXP_CONTAINS(REGEXP_REPLACE(
    LOWER(text),
    r'\b(?:tel|telephone|telefon|phone|ph|t|p|m|mob|mobile|mobil|cell|handy|home|work|office|fax|f|nr|no)\b',
    ''
  ), r'\pL'), NULL, text)
  FROM (SELECT REGEXP_REPLACE(
    REGEXP_REPLACE(NORMALIZE(adpostbacks_text(raw), NFKC), r'^(\+?[0-9]{7,15})[.,]0{1,2}$', r'\1'),
    r'(?i)(?:;\s*ext\s*=|;|#|ext(?:ension)?|xt|x|durchwahl|dw|anexo|poste|int)[.:]?[\s-]*[0-9]{0,6}\s*[)]?\s*$', ''
  ) AS text)
));

-- A phone number in E.164. A plus, or 00 at the beginning, is followed by the country code. Without them, country_code
-- is put before the digits; without it, the digits are taken as they are. Numbers are not looked up:
-- more than ten digits that begin with country_code are taken to hold it.
-- rows: reddit.phone tiktok.phone x.phone
-- call: adpostbacks_hash(value, adpostbacks_phone(value, default_phone_country_code))
CREATE TEMP FUNCTION adpostbacks_phone(raw STRING, country_code STRING) RETURNS STRING AS ((
  SELECT REGEXP_EXTRACT(
    CASE
      WHEN STRPOS(text, '+39') > 0 THEN '+' || digits -- Italy keeps its leading 0
      WHEN STRPOS(text, '+') > 0 THEN
        '+' || REGEXP_REPLACE(REGEXP_REPLACE(text, r'(\+[0-9]{1,3})[^0-9]+0', r'\1'), r'[^0-9]', '')
      WHEN STARTS_WITH(digits, code) AND LENGTH(digits) > 10 THEN '+' || digits
      WHEN code != '' THEN '+' || code || REGEXP_REPLACE(digits, r'^0', '')
      ELSE '+' || digits
    END,
    r'^\+[1-9][0-9]{6,14}$'
  )
  FROM (
    SELECT text, REGEXP_REPLACE(text, r'[^0-9]', '') AS digits, LTRIM(country_code, '+') AS code
    FROM (SELECT REGEXP_REPLACE(adpostbacks_phone_text(raw), r'^[^0-9+]*00', '+') AS text)
  )
));

-- The same in digits alone. A national number that no country code completes stays, without its leading zeros.
-- rows: meta.phone pinterest.phone snapchat.phone
-- call: adpostbacks_hash(value, adpostbacks_phone_digits(value, default_phone_country_code))
CREATE TEMP FUNCTION adpostbacks_phone_digits(raw STRING, country_code STRING) RETURNS STRING AS ((
  SELECT COALESCE(
    SUBSTR(adpostbacks_phone(raw, country_code), 2),
    IF(STRPOS(text, '+') > 0, NULL, REGEXP_EXTRACT(LTRIM(REGEXP_REPLACE(text, r'[^0-9]', ''), '0'), r'^[0-9]{7,15}$'))
  )
  FROM (SELECT adpostbacks_phone_text(raw) AS text)
));

-- A name in lower case without white space, punctuation and symbols. Accents and other scripts stay, composed (NFC).
-- rows: meta.first_name meta.last_name pinterest.city snapchat.first_name snapchat.last_name snapchat.city tiktok.first_name tiktok.last_name
-- call: adpostbacks_hash(value, adpostbacks_letters(value))
CREATE TEMP FUNCTION adpostbacks_letters(raw STRING) RETURNS STRING AS (
  NULLIF(REGEXP_REPLACE(LOWER(NORMALIZE(adpostbacks_text(raw), NFC)), r'[\s\p{Z}\p{P}\p{S}]', ''), '')
);

-- A city: its letters, without digits.
-- rows: meta.city
-- call: adpostbacks_hash(value, adpostbacks_city(value))
CREATE TEMP FUNCTION adpostbacks_city(raw STRING) RETURNS STRING AS (
  NULLIF(REGEXP_REPLACE(adpostbacks_letters(raw), r'[0-9]', ''), '')
);

-- A state or region: in the US, and where no country is known, a state's name becomes its code.
-- rows: meta.state pinterest.state snapchat.state
-- call: adpostbacks_hash(value, adpostbacks_state(value, country))
CREATE TEMP FUNCTION adpostbacks_state(raw STRING, country STRING) RETURNS STRING AS (
  IF(
    LOWER(COALESCE(adpostbacks_text(country), 'us')) IN ('us', 'usa', 'united states'),
    COALESCE((
      SELECT code FROM UNNEST(ARRAY<STRUCT<name STRING, code STRING>>[
        ('alabama', 'al'), ('alaska', 'ak'), ('arizona', 'az'), ('arkansas', 'ar'), ('california', 'ca'),
        ('colorado', 'co'), ('connecticut', 'ct'), ('delaware', 'de'), ('districtofcolumbia', 'dc'), ('florida', 'fl'),
        ('georgia', 'ga'), ('hawaii', 'hi'), ('idaho', 'id'), ('illinois', 'il'), ('indiana', 'in'), ('iowa', 'ia'),
        ('kansas', 'ks'), ('kentucky', 'ky'), ('louisiana', 'la'), ('maine', 'me'), ('maryland', 'md'),
        ('massachusetts', 'ma'), ('michigan', 'mi'), ('minnesota', 'mn'), ('mississippi', 'ms'), ('missouri', 'mo'),
        ('montana', 'mt'), ('nebraska', 'ne'), ('nevada', 'nv'), ('newhampshire', 'nh'), ('newjersey', 'nj'),
        ('newmexico', 'nm'), ('newyork', 'ny'), ('northcarolina', 'nc'), ('northdakota', 'nd'), ('ohio', 'oh'),
        ('oklahoma', 'ok'), ('oregon', 'or'), ('pennsylvania', 'pa'), ('puertorico', 'pr'), ('rhodeisland', 'ri'),
        ('southcarolina', 'sc'), ('southdakota', 'sd'), ('tennessee', 'tn'), ('texas', 'tx'), ('utah', 'ut'),
        ('vermont', 'vt'), ('virginia', 'va'), ('washington', 'wa'), ('westvirginia', 'wv'), ('wisconsin', 'wi'),
        ('wyoming', 'wy')
      ]) WHERE name = adpostbacks_letters(raw)
    ), adpostbacks_letters(raw)),
    adpostbacks_letters(raw)
  )
);

-- A postal code in lower case without spaces and dashes. In the US it has five digits, with the zeros that
-- numbers lose. Where no country is given, a ZIP+4 is known by its dash.
-- rows: meta.postal_code pinterest.postal_code snapchat.postal_code tiktok.postal_code
-- call: adpostbacks_hash(value, adpostbacks_postal_code(value, country))
CREATE TEMP FUNCTION adpostbacks_postal_code(raw STRING, country STRING) RETURNS STRING AS ((
  SELECT NULLIF(CASE
    WHEN is_us AND REGEXP_CONTAINS(code, r'^[0-9]{3,5}(?:-[0-9]*)?$') THEN LPAD(SPLIT(code, '-')[OFFSET(0)], 5, '0')
    WHEN is_us AND REGEXP_CONTAINS(code, r'^[0-9]{7,9}$') THEN LPAD(LEFT(code, LENGTH(code) - 4), 5, '0')
    WHEN country IS NULL AND REGEXP_CONTAINS(code, r'^[0-9]{5}-[0-9]{4}$') THEN LEFT(code, 5)
    ELSE REPLACE(code, '-', '')
  END, '')
  FROM (
    SELECT
      REGEXP_REPLACE(REGEXP_REPLACE(LOWER(adpostbacks_text(raw)), r'[\s\p{Z}]', ''), r'^([0-9]+)\.0+$', r'\1') AS code,
      LOWER(adpostbacks_text(country)) IN ('us', 'usa', 'united states') AS is_us
  )
));

-- A country that is a code of two letters already. Map names and codes of three letters beforehand.
-- rows: meta.country pinterest.country snapchat.country
-- only: REGEXP_CONTAINS(adpostbacks_text(value), r'^([A-Za-z]{2}|[0-9A-Fa-f]{64})$')
-- call: adpostbacks_hash(value, adpostbacks_country(value))
CREATE TEMP FUNCTION adpostbacks_country(raw STRING) RETURNS STRING AS (
  REGEXP_EXTRACT(LOWER(adpostbacks_text(raw)), r'^[a-z]{2}$')
);

-- m or f, from male and female too.
-- rows: meta.gender pinterest.gender snapchat.gender
-- call: adpostbacks_hash(value, adpostbacks_gender(value))
CREATE TEMP FUNCTION adpostbacks_gender(raw STRING) RETURNS STRING AS (
  CASE
    WHEN LOWER(adpostbacks_text(raw)) IN ('m', 'male') THEN 'm'
    WHEN LOWER(adpostbacks_text(raw)) IN ('f', 'female') THEN 'f'
  END
);

-- A birth date as YYYYMMDD. The year comes first, with any separators or none, or last. Then the month comes first with
-- slashes, the day with dots, unless a part above 12 says otherwise. A time behind it is ignored.
-- rows: meta.date_of_birth pinterest.date_of_birth
-- call: adpostbacks_hash(value, adpostbacks_date_of_birth(value))
CREATE TEMP FUNCTION adpostbacks_date_of_birth(raw STRING) RETURNS STRING AS ((
  SELECT IF(born >= DATE '1900-01-01', FORMAT_DATE('%Y%m%d', born), NULL)
  FROM (
    SELECT SAFE.PARSE_DATE('%Y-%m-%d', COALESCE(
      REGEXP_REPLACE(REGEXP_EXTRACT(text, r'^[0-9]{8}$'), r'^(....)(..)(..)$', r'\1-\2-\3'),
      REGEXP_REPLACE(
        REGEXP_EXTRACT(text, r'^([0-9]{4}[^0-9]+[0-9]{1,2}[^0-9]+[0-9]{1,2})(?:[^0-9].*)?$'), r'[^0-9]+', '-'
      ),
      REGEXP_REPLACE( -- month first
        REGEXP_EXTRACT(text, r'^((?:0?[1-9]|1[0-2])(?:/[0-9]{1,2}/|\.(?:1[3-9]|2[0-9]|3[01])\.)[0-9]{4})(?: .*)?$'),
        r'^([0-9]+).([0-9]+).([0-9]+)$', r'\3-\1-\2'
      ),
      REGEXP_REPLACE( -- day first
        REGEXP_EXTRACT(text, r'^([0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{4})(?: .*)?$'),
        r'^([0-9]+).([0-9]+).([0-9]+)$', r'\3-\2-\1'
      )
    )) AS born
    FROM (SELECT REGEXP_REPLACE(adpostbacks_text(raw), r'\.0+$', '') AS text)
  )
));

-- An id of your own, or a name that keeps its spaces, in lower case.
-- rows: meta.external_id pinterest.external_id pinterest.first_name pinterest.last_name snapchat.external_id
-- call: adpostbacks_hash(value, lower(adpostbacks_text(value)))
-- As it is:
-- rows: openai_ads.external_id reddit.external_id tiktok.external_id
-- call: adpostbacks_hash(value, adpostbacks_text(value))

-- An advertising id in lower case; NULL for zeros alone.
-- rows: pinterest.advertising_id pinterest.gaid pinterest.idfa reddit.gaid
-- call: adpostbacks_hash(value, adpostbacks_advertising_id(value))
-- Apple's in upper case:
-- rows: reddit.idfa
-- call: adpostbacks_hash(value, upper(adpostbacks_advertising_id(value)))
CREATE TEMP FUNCTION adpostbacks_advertising_id(raw STRING) RETURNS STRING AS (
  NULLIF(
    REGEXP_EXTRACT(LOWER(adpostbacks_text(raw)), r'^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$'),
    '00000000-0000-0000-0000-000000000000'
  )
);
