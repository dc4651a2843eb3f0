-- Normalizes and hashes match keys in Snowflake, as the vectors beside this folder have them.
--
-- The same functions as postgresql.sql for the same rows; what is listed there under "not" is not reproduced here.
-- A test runs PostgreSQL's functions on every row. Nothing runs these: try them on the rows before you rely on them.
-- A function takes one value; for an array, call it for each.
-- Where SQL cannot compose accents (NFC), or would say a thing many times over, a function is in JavaScript.

-- A text without the white space around it and without invisible characters; NULL for what programs write for nothing.
CREATE OR REPLACE FUNCTION adpostbacks_text(raw VARCHAR) RETURNS VARCHAR LANGUAGE JAVASCRIPT STRICT IMMUTABLE AS $$
  const invisible = /[\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]/g;
  const nothing = ['', 'null', 'none', 'undefined', 'nan', 'n/a', '(not set)', '[object object]'];
  const text = RAW.replace(invisible, '').trim();
  return nothing.includes(text.toLowerCase()) ? null : text;
$$;

-- Parts of the functions below.
CREATE OR REPLACE FUNCTION adpostbacks_composed(plain VARCHAR)
  RETURNS VARCHAR LANGUAGE JAVASCRIPT STRICT IMMUTABLE AS $$
  return PLAIN.normalize('NFC');
$$;
CREATE OR REPLACE FUNCTION adpostbacks_unpunctuated(plain VARCHAR)
  RETURNS VARCHAR LANGUAGE JAVASCRIPT STRICT IMMUTABLE AS $$
  const ascii = /[\s!-\/:-@\[-`{-~]/g;
  const others = /[\u00A0-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u2000-\u206F\u20A0-\u20CF]/g;
  const wide = /[\u3000-\u3003\u3008-\u3020\u30FB\uFF01-\uFF0F]/g;
  return PLAIN.normalize('NFC').toLowerCase().replace(ascii, '').replace(others, '').replace(wide, '');
$$;
CREATE OR REPLACE FUNCTION adpostbacks_legible(plain VARCHAR) RETURNS VARCHAR LANGUAGE JAVASCRIPT STRICT IMMUTABLE AS $$
  const words = /\b(?:tel|telephone|telefon|phone|ph|t|p|m|mob|mobile|mobil|cell|handy|home|work|office|fax|f|nr|no)\b/g;
  const extension = /(?:;\s*ext\s*=|;|#|ext(?:ension)?|xt|x|durchwahl|dw|anexo|poste|int)[.:]?[\s-]*[0-9]{0,6}\s*[)]?\s*$/i;
  const text = PLAIN.normalize('NFKC').replace(/^(\+?[0-9]{7,15})[.,]0{1,2}$/, '$1').replace(extension, '');
  const others = text.toLowerCase().replace(words, '');
  return others === others.toUpperCase() ? text : null;
$$;
CREATE OR REPLACE FUNCTION adpostbacks_e164(plain VARCHAR, code VARCHAR)
  RETURNS VARCHAR LANGUAGE JAVASCRIPT STRICT IMMUTABLE AS $$
  const text = PLAIN.replace(/^[^0-9+]*00/, '+');
  const digits = text.replace(/[^0-9]/g, '');
  let written = '+' + digits;
  if (text.includes('+')) { // Italy keeps its leading 0
    if (!text.includes('+39')) written = '+' + text.replace(/(\+[0-9]{1,3})[^0-9]+0/, '$1').replace(/[^0-9]/g, '');
  } else if (CODE && !(digits.startsWith(CODE) && digits.length > 10)) {
    written = '+' + CODE + digits.replace(/^0/, '');
  }
  return /^\+[1-9][0-9]{6,14}$/.test(written) ? written : null;
$$;
CREATE OR REPLACE FUNCTION adpostbacks_code(plain VARCHAR, country VARCHAR)
  RETURNS VARCHAR LANGUAGE JAVASCRIPT STRICT IMMUTABLE AS $$
  const code = PLAIN.toLowerCase().replace(/\s/g, '').replace(/^([0-9]+)\.0+$/, '$1');
  if (COUNTRY === 'us' && /^[0-9]{3,5}(-[0-9]*)?$/.test(code)) return code.split('-')[0].padStart(5, '0');
  if (COUNTRY === 'us' && /^[0-9]{7,9}$/.test(code)) return code.slice(0, -4).padStart(5, '0');
  if (COUNTRY === '' && /^[0-9]{5}-[0-9]{4}$/.test(code)) return code.slice(0, 5);
  return code.replace(/-/g, '') || null;
$$;

-- SHA-256 of a normalized text as 64 lower-case hex digits. What came as such a hash is passed on in lower case.
CREATE OR REPLACE FUNCTION adpostbacks_hash(raw VARCHAR, normalized VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  CASE
    WHEN REGEXP_LIKE(adpostbacks_text(raw), '[0-9A-Fa-f]{64}') THEN LOWER(adpostbacks_text(raw))
    WHEN normalized <> '' THEN SHA2(normalized, 256)
  END
$$;

-- An e-mail address, composed (NFC) and in lower case.
-- rows: meta.email openai_ads.email pinterest.email snapchat.email tiktok.email x.email
-- call: adpostbacks_hash(value, adpostbacks_email(value))
CREATE OR REPLACE FUNCTION adpostbacks_email(raw VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  REGEXP_SUBSTR(
    RTRIM(TRIM(REGEXP_REPLACE(
      REGEXP_REPLACE(LOWER(adpostbacks_composed(adpostbacks_text(raw))), '^.*<([^<>]*)>$', '\\1'), '^mailto:', ''
    ), '"'' '), '.,;'),
    '^[^[:space:]@<>]+@[^[:space:]@<>]+$'
  )
$$;

-- The address without what follows a plus, and without dots and other signs before the @.
-- rows: reddit.email
-- call: adpostbacks_hash(value, adpostbacks_email_without_tag(value))
CREATE OR REPLACE FUNCTION adpostbacks_email_without_tag(raw VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  NULLIF(REGEXP_REPLACE(SPLIT_PART(SPLIT_PART(adpostbacks_email(raw), '@', 1), '+', 1), '[^0-9a-z]', ''), '')
    || '@' || SPLIT_PART(adpostbacks_email(raw), '@', 2)
$$;

-- A phone number without an extension and a spreadsheet's decimals. NULL where letters are left, other than the usual
-- words of phone lists: it is something else.
CREATE OR REPLACE FUNCTION adpostbacks_phone_text(raw VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  adpostbacks_legible(adpostbacks_text(raw))
$$;

-- A phone number in E.164. A plus, or 00 at the beginning, is followed by the country code. Without them, country_code
-- is put before the digits; without it, the digits are taken as they are. Numbers are not looked up:
-- more than ten digits that begin with country_code are taken to hold it.
-- rows: reddit.phone tiktok.phone x.phone
-- call: adpostbacks_hash(value, adpostbacks_phone(value, default_phone_country_code))
CREATE OR REPLACE FUNCTION adpostbacks_phone(raw VARCHAR, country_code VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  adpostbacks_e164(adpostbacks_phone_text(raw), LTRIM(COALESCE(country_code, ''), '+'))
$$;

-- The same in digits alone. A national number that no country code completes stays, without its leading zeros.
-- rows: meta.phone pinterest.phone snapchat.phone
-- call: adpostbacks_hash(value, adpostbacks_phone_digits(value, default_phone_country_code))
CREATE OR REPLACE FUNCTION adpostbacks_phone_digits(raw VARCHAR, country_code VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  COALESCE(
    SUBSTR(adpostbacks_phone(raw, country_code), 2),
    CASE WHEN adpostbacks_phone_text(raw) NOT LIKE '%+%' THEN
      REGEXP_SUBSTR(LTRIM(REGEXP_REPLACE(adpostbacks_phone_text(raw), '[^0-9]', ''), '0'), '^[0-9]{7,15}$')
    END
  )
$$;

-- A name in lower case without white space, punctuation and symbols. Accents and other scripts stay, composed (NFC).
-- rows: meta.first_name meta.last_name pinterest.city snapchat.first_name snapchat.last_name snapchat.city tiktok.first_name tiktok.last_name
-- call: adpostbacks_hash(value, adpostbacks_letters(value))
CREATE OR REPLACE FUNCTION adpostbacks_letters(raw VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  NULLIF(adpostbacks_unpunctuated(adpostbacks_text(raw)), '')
$$;

-- A city: its letters, without digits.
-- rows: meta.city
-- call: adpostbacks_hash(value, adpostbacks_city(value))
CREATE OR REPLACE FUNCTION adpostbacks_city(raw VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  NULLIF(REGEXP_REPLACE(adpostbacks_letters(raw), '[0-9]', ''), '')
$$;

-- A state or region: in the US, and where no country is known, a state's name becomes its code.
-- rows: meta.state pinterest.state snapchat.state
-- call: adpostbacks_hash(value, adpostbacks_state(value, country))
CREATE OR REPLACE FUNCTION adpostbacks_state(raw VARCHAR, country VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  CASE WHEN LOWER(COALESCE(adpostbacks_text(country), 'us')) IN ('us', 'usa', 'united states')
    THEN DECODE(adpostbacks_letters(raw),
      'alabama', 'al', 'alaska', 'ak', 'arizona', 'az', 'arkansas', 'ar', 'california', 'ca', 'colorado', 'co',
      'connecticut', 'ct', 'delaware', 'de', 'districtofcolumbia', 'dc', 'florida', 'fl', 'georgia', 'ga',
      'hawaii', 'hi', 'idaho', 'id', 'illinois', 'il', 'indiana', 'in', 'iowa', 'ia', 'kansas', 'ks', 'kentucky', 'ky',
      'louisiana', 'la', 'maine', 'me', 'maryland', 'md', 'massachusetts', 'ma', 'michigan', 'mi', 'minnesota', 'mn',
      'mississippi', 'ms', 'missouri', 'mo', 'montana', 'mt', 'nebraska', 'ne', 'nevada', 'nv', 'newhampshire', 'nh',
      'newjersey', 'nj', 'newmexico', 'nm', 'newyork', 'ny', 'northcarolina', 'nc', 'northdakota', 'nd', 'ohio', 'oh',
      'oklahoma', 'ok', 'oregon', 'or', 'pennsylvania', 'pa', 'puertorico', 'pr', 'rhodeisland', 'ri',
      'southcarolina', 'sc', 'southdakota', 'sd', 'tennessee', 'tn', 'texas', 'tx', 'utah', 'ut', 'vermont', 'vt',
      'virginia', 'va', 'washington', 'wa', 'westvirginia', 'wv', 'wisconsin', 'wi', 'wyoming', 'wy',
      adpostbacks_letters(raw))
    ELSE adpostbacks_letters(raw)
  END
$$;

-- A postal code in lower case without spaces and dashes. In the US it has five digits, with the zeros that
-- numbers lose. Where no country is given, a ZIP+4 is known by its dash.
-- rows: meta.postal_code pinterest.postal_code snapchat.postal_code tiktok.postal_code
-- call: adpostbacks_hash(value, adpostbacks_postal_code(value, country))
CREATE OR REPLACE FUNCTION adpostbacks_postal_code(raw VARCHAR, country VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  adpostbacks_code(
    adpostbacks_text(raw),
    CASE
      WHEN LOWER(adpostbacks_text(country)) IN ('us', 'usa', 'united states') THEN 'us'
      WHEN country IS NULL THEN ''
      ELSE 'other'
    END
  )
$$;

-- A country that is a code of two letters already. Map names and codes of three letters beforehand.
-- rows: meta.country pinterest.country snapchat.country
-- only: REGEXP_LIKE(adpostbacks_text(value), '[A-Za-z]{2}|[0-9A-Fa-f]{64}')
-- call: adpostbacks_hash(value, adpostbacks_country(value))
CREATE OR REPLACE FUNCTION adpostbacks_country(raw VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  REGEXP_SUBSTR(LOWER(adpostbacks_text(raw)), '^[a-z]{2}$')
$$;

-- m or f, from male and female too.
-- rows: meta.gender pinterest.gender snapchat.gender
-- call: adpostbacks_hash(value, adpostbacks_gender(value))
CREATE OR REPLACE FUNCTION adpostbacks_gender(raw VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  DECODE(LOWER(adpostbacks_text(raw)), 'm', 'm', 'male', 'm', 'f', 'f', 'female', 'f')
$$;

-- A birth date as YYYYMMDD. The year comes first, with any separators or none, or last. Then the month comes first with
-- slashes, the day with dots, unless a part above 12 says otherwise. A time behind it is ignored.
-- rows: meta.date_of_birth pinterest.date_of_birth
-- call: adpostbacks_hash(value, adpostbacks_date_of_birth(value))
CREATE OR REPLACE FUNCTION adpostbacks_date_of_birth(raw VARCHAR)
  RETURNS VARCHAR LANGUAGE JAVASCRIPT STRICT IMMUTABLE AS $$
  const text = RAW.trim().replace(/\.0+$/, '');
  const first = /^(\d{4})(\d{2})(\d{2})$/.exec(text) || /^(\d{4})\D+(\d{1,2})\D+(\d{1,2})(?:\D.*)?$/.exec(text);
  const last = /^(\d{1,2})([/.])(\d{1,2})[/.](\d{4})(?: .*)?$/.exec(text);
  if (!first && !last) return null;
  let [year, month, day] = first ? first.slice(1, 4) : [last[4], last[1], last[3]];
  if (last && (last[1] > 12 || (last[2] === '.' && last[3] <= 12))) [month, day] = [day, month];
  const date = new Date(Date.UTC(year, month - 1, day));
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === Number(day);
  return exists && year >= 1900 ? year + String(month).padStart(2, '0') + String(day).padStart(2, '0') : null;
$$;

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
CREATE OR REPLACE FUNCTION adpostbacks_advertising_id(raw VARCHAR) RETURNS VARCHAR IMMUTABLE AS $$
  NULLIF(
    REGEXP_SUBSTR(LOWER(adpostbacks_text(raw)), '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'),
    '00000000-0000-0000-0000-000000000000'
  )
$$;
