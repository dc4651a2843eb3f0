-- Normalizes and hashes match keys in PostgreSQL 13 or later, as the vectors beside this folder have them.
--
-- For a database in UTF-8 whose locale is not C: lower() has to know letters beyond a to z. A function takes one value;
-- for a list, call it for each. The names of a function's arguments are columns of the record. NULL means: left out.
--
-- Before a function stands which rows of the vectors it reproduces (network.field) and the call to make.
-- "not" lists the rows among them that SQL does not reproduce. A test runs every row. Rows whose input is a list or a
-- number, and rows with settings other than default_phone_country_code, are not asked for.

-- A text without the white space around it and without invisible characters; NULL for what programs write for nothing.
CREATE FUNCTION adpostbacks_text(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN lower(clean) NOT IN (
           '', 'null', 'none', 'undefined', 'nan', 'n/a', '(not set)', '[object object]'
         ) THEN clean END
  FROM (
    SELECT regexp_replace(
      regexp_replace(raw, '[\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]', '', 'g'),
      '^[\s\u00A0\u2000-\u200A\u202F\u3000]+|[\s\u00A0\u2000-\u200A\u202F\u3000]+$', '', 'g'
    ) AS clean
  ) AS cleaned
$$;

-- SHA-256 of a normalized text as 64 lower-case hex digits. What came as such a hash is passed on in lower case.
CREATE FUNCTION adpostbacks_hash(raw text, normalized text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN adpostbacks_text(raw) ~ '^[0-9A-Fa-f]{64}$' THEN lower(adpostbacks_text(raw))
    WHEN normalized <> '' THEN encode(sha256(convert_to(normalized, 'UTF8')), 'hex')
  END
$$;

-- An e-mail address, composed (NFC) and in lower case.
-- rows: meta.email openai_ads.email pinterest.email snapchat.email tiktok.email x.email
-- call: adpostbacks_hash(value, adpostbacks_email(value))
--   not meta: "jane@localhost" (no dot after the @)
--   not meta pinterest snapchat tiktok: "\uff41\uff44\uff41\uff20\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff43\uff4f\uff4d" (full-width letters are plain ones)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.AQQCAQMC" (hashed by the parameter builder: whole, with its appendix)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.Bg" (hashed by the parameter builder: whole, with its appendix)
--   not pinterest snapchat tiktok: "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f.AQQCAQMC" (hashed by Meta's parameter builder: without its appendix)
CREATE FUNCTION adpostbacks_email(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN address ~ '^[^\s@<>]+@[^\s@<>]+$' THEN address END
  FROM (
    SELECT rtrim(btrim(regexp_replace(
      regexp_replace(lower(normalize(adpostbacks_text(raw), NFC)), '^.*<([^<>]*)>$', '\1'), '^mailto:', ''
    ), '"'' '), '.,;') AS address
  ) AS addressed
$$;

-- The address without what follows a plus, and without dots and other signs before the @.
-- rows: reddit.email
-- call: adpostbacks_hash(value, adpostbacks_email_without_tag(value))
--   not reddit: "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f.AQQCAQMC" (hashed by Meta's parameter builder: without its appendix)
--   not reddit: "jos\u00e9@example.com" (a letter of any script is alphanumeric (unconfirmed))
--   not reddit: "\uff41\uff44\uff41\uff20\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff43\uff4f\uff4d" (full-width letters are plain ones)
--   not reddit: "\u0418.\u0432\u0430\u043d+x@example.com" (a letter of any script is alphanumeric (unconfirmed))
CREATE FUNCTION adpostbacks_email_without_tag(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT NULLIF(regexp_replace(regexp_replace(split_part(address, '@', 1), '\+.*$', ''), '[^0-9a-z]', '', 'g'), '')
    || '@' || split_part(address, '@', 2)
  FROM (SELECT adpostbacks_email(raw) AS address) AS addressed
$$;

-- A phone number without an extension and a spreadsheet's decimals. NULL where letters are left, other than the usual
-- words of phone lists: it is something else.
CREATE FUNCTION adpostbacks_phone_text(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN regexp_replace(
    lower(text),
    '\y(tel|telephone|telefon|phone|ph|t|p|m|mob|mobile|mobil|cell|handy|home|work|office|fax|f|nr|no)\y',
    '', 'g'
  ) !~ '[[:alpha:]]' THEN text END
  FROM (SELECT regexp_replace(
    regexp_replace(normalize(adpostbacks_text(raw), NFKC), '^(\+?[0-9]{7,15})[.,]0{1,2}$', '\1'),
    '(?:;\s*ext\s*=|;|#|ext(?:ension)?|xt|x|durchwahl|dw|anexo|poste|int)[.:]?[\s-]*[0-9]{0,6}\s*[)]?\s*$', '', 'i'
  ) AS text) AS cut
$$;

-- A phone number in E.164. A plus, or 00 at the beginning, is followed by the country code. Without them, country_code
-- is put before the digits; without it, the digits are taken as they are. Numbers are not looked up:
-- more than ten digits that begin with country_code are taken to hold it.
-- rows: reddit.phone tiktok.phone x.phone
-- call: adpostbacks_hash(value, adpostbacks_phone(value, default_phone_country_code))
--   not reddit tiktok: "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f.AQQCAQMC" (hashed by Meta's parameter builder: without its appendix)
--   not reddit tiktok: "+\u0664\u0661\u0667\u0669\u0661\u0662\u0663\u0664\u0665\u0666\u0667" (Arabic digits)
--   not reddit tiktok: "\u0966\u0966\u096a\u0967\u096d\u096f\u0967\u0968\u0969\u096a\u096b\u096c\u096d" (Devanagari digits, after 00)
CREATE FUNCTION adpostbacks_phone(raw text, country_code text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT substring(CASE
    WHEN text LIKE '%+39%' THEN '+' || digits -- Italy keeps its leading 0
    WHEN text LIKE '%+%' THEN
      '+' || regexp_replace(regexp_replace(text, '(\+[0-9]{1,3})[^0-9]+0', '\1'), '[^0-9]', '', 'g')
    WHEN digits LIKE code || '%' AND length(digits) > 10 THEN '+' || digits
    WHEN code <> '' THEN '+' || code || regexp_replace(digits, '^0', '')
    ELSE '+' || digits
  END FROM '^\+[1-9][0-9]{6,14}$')
  FROM (SELECT
    regexp_replace(adpostbacks_phone_text(raw), '^[^0-9+]*00', '+') AS text,
    ltrim(country_code, '+') AS code
  ) AS cut,
  LATERAL (SELECT regexp_replace(text, '[^0-9]', '', 'g') AS digits) AS plain
$$;

-- The same in digits alone. A national number that no country code completes stays, without its leading zeros.
-- rows: meta.phone pinterest.phone snapchat.phone
-- call: adpostbacks_hash(value, adpostbacks_phone_digits(value, default_phone_country_code))
--   not meta pinterest snapchat: "+\u0664\u0661\u0667\u0669\u0661\u0662\u0663\u0664\u0665\u0666\u0667" (Arabic digits)
--   not meta pinterest snapchat: "\u0966\u0966\u096a\u0967\u096d\u096f\u0967\u0968\u0969\u096a\u096b\u096c\u096d" (Devanagari digits, after 00)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.AQQCAQMC" (hashed by the parameter builder: whole, with its appendix)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.Bg" (hashed by the parameter builder: whole, with its appendix)
--   not pinterest snapchat: "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f.AQQCAQMC" (hashed by Meta's parameter builder: without its appendix)
CREATE FUNCTION adpostbacks_phone_digits(raw text, country_code text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT COALESCE(
    substr(adpostbacks_phone(raw, country_code), 2),
    CASE WHEN text NOT LIKE '%+%' THEN
      substring(ltrim(regexp_replace(text, '[^0-9]', '', 'g'), '0') FROM '^[0-9]{7,15}$')
    END
  )
  FROM (SELECT adpostbacks_phone_text(raw) AS text) AS cut
$$;

-- A name in lower case without white space, punctuation and symbols. Accents and other scripts stay, composed (NFC).
-- rows: meta.first_name meta.last_name pinterest.city snapchat.first_name snapchat.last_name snapchat.city tiktok.first_name tiktok.last_name
-- call: adpostbacks_hash(value, adpostbacks_letters(value))
--   not meta meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.AQQCAQMC" (hashed by the parameter builder: whole, with its appendix)
--   not meta meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.Bg" (hashed by the parameter builder: whole, with its appendix)
--   not pinterest snapchat snapchat tiktok: "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f.AQQCAQMC" (hashed by Meta's parameter builder: without its appendix)
CREATE FUNCTION adpostbacks_letters(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT NULLIF(regexp_replace(
    lower(normalize(adpostbacks_text(raw), NFC)),
    '[\s!-/:-@\[-`{-~\u00A0-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u2000-\u206F\u20A0-\u20CF'
    '\u3000-\u3003\u3008-\u3020\u30FB\uFF01-\uFF0F]', '', 'g'
  ), '')
$$;

-- A city: its letters, without digits.
-- rows: meta.city
-- call: adpostbacks_hash(value, adpostbacks_city(value))
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.AQQCAQMC" (hashed by the parameter builder: whole, with its appendix)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.Bg" (hashed by the parameter builder: whole, with its appendix)
CREATE FUNCTION adpostbacks_city(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT NULLIF(regexp_replace(adpostbacks_letters(raw), '[0-9]', '', 'g'), '')
$$;

-- A state or region: in the US, and where no country is known, a state's name becomes its code.
-- rows: meta.state pinterest.state snapchat.state
-- call: adpostbacks_hash(value, adpostbacks_state(value, country))
--   not meta: "Ontario", country CA (Canada: a name becomes its code, as Meta's own library has it)
--   not meta: "British Columbia", country CA (Canada: a name becomes its code)
--   not meta pinterest snapchat: "US-CA" (ISO 3166-2)
--   not meta pinterest snapchat: "CA, USA" (the country behind it goes)
--   not meta: "California (CA)" (name and code)
--   not meta pinterest snapchat: "State of Texas" (a state's full title)
--   not meta pinterest snapchat: "Washington, D.C." (the district, not the state)
--   not meta pinterest snapchat: "Qu\u00e9bec", country CA (Canada: a name becomes its code)
--   not meta pinterest snapchat: "CA-QC", country CA (ISO 3166-2)
--   not meta: "Colombie-Britannique", country CA (Canada: in French, too)
--   not pinterest: "Bayern", country DE (no code of two letters: omitted)
--   not pinterest: "NSW", country AU (no code of two letters: omitted)
CREATE FUNCTION adpostbacks_state(raw text, country text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN lower(COALESCE(adpostbacks_text(country), 'us')) IN ('us', 'usa', 'united states')
    THEN COALESCE((
      SELECT code FROM (VALUES
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
      ) AS states (name, code) WHERE name = adpostbacks_letters(raw)
    ), adpostbacks_letters(raw))
    ELSE adpostbacks_letters(raw)
  END
$$;

-- A postal code in lower case without spaces and dashes. In the US it has five digits, with the zeros that
-- numbers lose. Where no country is given, a ZIP+4 is known by its dash.
-- rows: meta.postal_code pinterest.postal_code snapchat.postal_code tiktok.postal_code
-- call: adpostbacks_hash(value, adpostbacks_postal_code(value, country))
--   not meta pinterest snapchat tiktok: "D-10115" (letters for the country are no part of the code)
--   not meta pinterest snapchat tiktok: "DE 10115", country DE (letters for the country are no part of the code)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.AQQCAQMC" (hashed by the parameter builder: whole, with its appendix)
--   not tiktok: "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f.AQQCAQMC" (hashed by Meta's parameter builder: without its appendix)
CREATE FUNCTION adpostbacks_postal_code(raw text, country text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT NULLIF(CASE
    WHEN is_us AND code ~ '^[0-9]{3,5}(-[0-9]*)?$' THEN lpad(split_part(code, '-', 1), 5, '0')
    WHEN is_us AND code ~ '^[0-9]{7,9}$' THEN lpad(left(code, -4), 5, '0')
    WHEN country IS NULL AND code ~ '^[0-9]{5}-[0-9]{4}$' THEN left(code, 5)
    ELSE replace(code, '-', '')
  END, '')
  FROM (SELECT
    regexp_replace(regexp_replace(lower(adpostbacks_text(raw)), '\s', '', 'g'), '^([0-9]+)\.0+$', '\1') AS code,
    lower(adpostbacks_text(country)) IN ('us', 'usa', 'united states') AS is_us
  ) AS shortened
$$;

-- A country that is a code of two letters already. Map names and codes of three letters beforehand.
-- rows: meta.country pinterest.country snapchat.country
-- only: adpostbacks_text(value) ~ '^([A-Za-z]{2}|[0-9A-Fa-f]{64})$'
-- call: adpostbacks_hash(value, adpostbacks_country(value))
--   not meta: "XX" (two letters, but no country)
CREATE FUNCTION adpostbacks_country(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN adpostbacks_text(raw) ~ '^[A-Za-z]{2}$' THEN lower(adpostbacks_text(raw)) END
$$;

-- m or f, from male and female too.
-- rows: meta.gender pinterest.gender snapchat.gender
-- call: adpostbacks_hash(value, adpostbacks_gender(value))
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.AQQCAQMC" (hashed by the parameter builder: whole, with its appendix)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.Bg" (hashed by the parameter builder: whole, with its appendix)
--   not pinterest: "non-binary" (Pinterest's third letter)
--   not pinterest: " Non-Binary " (trim, any case)
--   not pinterest: "N" (letter)
--   not pinterest: "nonbinary" (without the hyphen)
CREATE FUNCTION adpostbacks_gender(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN lower(adpostbacks_text(raw)) IN ('m', 'male') THEN 'm'
    WHEN lower(adpostbacks_text(raw)) IN ('f', 'female') THEN 'f'
  END
$$;

-- A birth date as YYYYMMDD. The year comes first, with any separators or none, or last. Then the month comes first with
-- slashes, the day with dots, unless a part above 12 says otherwise. A time behind it is ignored.
-- rows: meta.date_of_birth pinterest.date_of_birth
-- call: adpostbacks_hash(value, adpostbacks_date_of_birth(value))
--   not meta: "9999-12-31" (after the event)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.AQQCAQMC" (hashed by the parameter builder: whole, with its appendix)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.Bg" (hashed by the parameter builder: whole, with its appendix)
CREATE FUNCTION adpostbacks_date_of_birth(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN year >= 1900 AND month BETWEEN 1 AND 12 THEN
    CASE WHEN day BETWEEN 1 AND extract(day FROM make_date(year, month, 1) + interval '1 month - 1 day')
      THEN year || lpad(month::text, 2, '0') || lpad(day::text, 2, '0')
    END
  END
  FROM (SELECT regexp_replace(adpostbacks_text(raw), '\.0+$', '') AS text) AS cleaned,
  LATERAL (SELECT
    COALESCE(
      regexp_match(text, '^([0-9]{4})([0-9]{2})([0-9]{2})$'),
      regexp_match(text, '^([0-9]{4})[^0-9]+([0-9]{1,2})[^0-9]+([0-9]{1,2})(?:[^0-9].*)?$')
    )::int[] AS ymd,
    regexp_match(text, '^([0-9]{1,2})[/.]([0-9]{1,2})[/.]([0-9]{4})(?: .*)?$')::int[] AS parts
  ) AS matched,
  LATERAL (SELECT parts[1] > 12 OR (text LIKE '%.%.%' AND parts[2] <= 12) AS is_day_first) AS ordered,
  LATERAL (SELECT
    COALESCE(ymd[1], parts[3]) AS year,
    COALESCE(ymd[2], CASE WHEN is_day_first THEN parts[2] ELSE parts[1] END) AS month,
    COALESCE(ymd[3], CASE WHEN is_day_first THEN parts[1] ELSE parts[2] END) AS day
  ) AS numbers
$$;

-- An id of your own, or a name that keeps its spaces, in lower case.
-- rows: meta.external_id pinterest.external_id pinterest.first_name pinterest.last_name snapchat.external_id
-- call: adpostbacks_hash(value, lower(adpostbacks_text(value)))
--   not meta pinterest snapchat: "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b" (the hash of a word for nothing)
--   not meta pinterest snapchat: "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855" (the hash of nothing)
--   not meta pinterest snapchat: "{{user_id}}" (an unexpanded macro)
--   not meta pinterest snapchat: "__USER_ID__" (an unexpanded macro)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.AQQCAQMC" (hashed by the parameter builder: whole, with its appendix)
--   not meta: "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F.Bg" (hashed by the parameter builder: whole, with its appendix)
--   not pinterest pinterest snapchat: "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f.AQQCAQMC" (hashed by Meta's parameter builder: without its appendix)
--   not pinterest: "Raphae\u0308l" (a combining accent composed first (NFC))
-- As it is:
-- rows: openai_ads.external_id reddit.external_id tiktok.external_id
-- call: adpostbacks_hash(value, adpostbacks_text(value))
--   not reddit tiktok: "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f.AQQCAQMC" (hashed by Meta's parameter builder: without its appendix)
--   not reddit tiktok: "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b" (the hash of a word for nothing)
--   not reddit tiktok: "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855" (the hash of nothing)
--   not reddit tiktok: "{{user_id}}" (an unexpanded macro)
--   not reddit tiktok: "__USER_ID__" (an unexpanded macro)

-- An advertising id in lower case; NULL for zeros alone.
-- rows: pinterest.advertising_id pinterest.gaid pinterest.idfa reddit.gaid
-- call: adpostbacks_hash(value, adpostbacks_advertising_id(value))
-- Apple's in upper case:
-- rows: reddit.idfa
-- call: adpostbacks_hash(value, upper(adpostbacks_advertising_id(value)))
CREATE FUNCTION adpostbacks_advertising_id(raw text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN id ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' AND id <> '00000000-0000-0000-0000-000000000000' THEN id
  END
  FROM (SELECT lower(adpostbacks_text(raw)) AS id) AS lowered
$$;
