"""The call that a template describes: read from the settings once, then filled in for each conversion."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import msgspec

from target_adpostbacks.core.answers import JSON
from target_adpostbacks.networks._generic import templates
from target_adpostbacks.networks._generic.filters import Around, applied, problem, text_of
from target_adpostbacks.networks._generic.macros import is_macro
from target_adpostbacks.networks._generic.templates import Macro, Mistake, Pair, Place, Template

BODIES = ("json", "form", "raw")
OWN_HOST = "{host}"
"""What stands in a preset's URL where the host is the user's own."""

_URL = re.compile(r"(https?)://(\[[^\]]+\](?::\d+)?|[^/?#\s{}\[\]@|\\]+)((?:[/?][^#\s]*)?)").fullmatch
_HOST = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?").fullmatch
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_NAME = re.compile(r"[a-z][a-z0-9_]*").fullmatch
_NO_HEADER_TEXT = re.compile(r"[\x00-\x1f\x7f]").search
NOTHING = Around(None, ())
RESERVED_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


Value = str | int | float | bool
"""What a template may be written as, and a macro of the user's own."""


class Described(Protocol):
    """The settings that describe a call."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str | None: ...
    @property
    def host(self) -> str | None: ...
    @property
    def params(self) -> Mapping[str, Value]: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def json(self) -> Mapping[str, Any] | None: ...
    @property
    def form(self) -> Mapping[str, Value] | None: ...
    @property
    def raw(self) -> str | None: ...
    @property
    def wrap_in_array(self) -> bool: ...
    @property
    def constants(self) -> Mapping[str, Value]: ...
    @property
    def secrets(self) -> Mapping[str, Value]: ...
    @property
    def required(self) -> Sequence[str]: ...
    @property
    def missing(self) -> str: ...
    @property
    def bracket_macros(self) -> bool: ...
    @property
    def allow_http(self) -> bool: ...


class Filled(NamedTuple):
    """A call with a conversion's values in it."""

    target: str  # path and query
    headers: Mapping[str, str]
    body: bytes | None


class Call:
    """A call's templates. ``mistakes``: what is wrong with them, as ``"url: no such macro: {foo}"``."""

    def __init__(self, described: Described) -> None:
        self.mistakes: list[str] = []
        self._described = described
        self._drop = described.missing == "drop"
        self._brackets = described.bracket_macros
        self._own = self._own_values(described)
        self.origin, self._path, self._query = self._address(described)
        self.shown = self._shown()
        """The URL as logs may have it: macros unfilled."""
        self._query += [
            Pair((_quoted(name),), templates.in_place(self._template(f"params.{name}", text_of(text)), _in_pair))
            for name, text in described.params.items()
        ]
        self._headers = [(name, self._header(name, text)) for name, text in described.headers.items()]
        self._json = self._tree("json", described.json) if described.json is not None else None
        self._form = [
            Pair((_form_quoted(name),), templates.in_place(self._template(f"form.{name}", text_of(text)), _in_form))
            for name, text in (described.form or {}).items()
        ]
        self._raw = self._template("raw", described.raw or "")
        self._body_kind(described)
        self.required = [self._alternatives(names) for names in described.required]
        by_name = {name.lower(): text for name, text in described.headers.items()}
        self._content_type = by_name.get("content-type", "")
        everything = [self._path, self._query, self._headers, self._json, self._form, self._raw]
        self.macros = tuple(
            {macro.expression: macro for macro in templates.macros(everything) if macro.name not in self._own}.values()
        )
        """The macros whose values a conversion gives, each once."""

    # What the settings say.

    def _own_values(self, described: Described) -> dict[str, Value]:
        own: dict[str, Value] = {}
        for setting, values in (("constants", described.constants), ("secrets", described.secrets)):
            for name, value in values.items():
                if not _NAME(name):
                    self.mistakes.append(f"{setting}.{name}: not a name; lower-case letters, digits and _ expected")
                elif is_macro(name):
                    self.mistakes.append(f"{setting}.{name}: a macro of the record has this name; take another")
                elif name in own:
                    self.mistakes.append(f"secrets.{name}: constants has this name, too; take another")
                own[name] = value
        return own

    def _address(self, described: Described) -> tuple[str, Template, list[Pair]]:
        url = described.url or ""
        if OWN_HOST in url and described.host:
            if not _HOST(described.host):
                self.mistakes.append("host: a host's name expected, without scheme and path: `trk.example.com`")
                return "", (), []
            url = url.replace(OWN_HOST, described.host)
        elif OWN_HOST in url:
            self.mistakes.append("host: missing; the preset needs the host that your partner gave you")
            return "", (), []
        elif described.host:
            self.mistakes.append("host: only with a preset whose host is your own; write it into url")
        if not url:
            self.mistakes.append("url: missing; the postback URL that your partner gave you, with macros, or a preset")
            return "", (), []
        parts = _URL(url)
        if parts is None or not _HOST(parts[2]):
            why = "no fragment, no user" if "#" in url or "@" in url.partition("?")[0] else "no macro in either"
            self.mistakes.append(
                f"url: https:// and a host expected, {why}: `https://trk.example.com/p?cid={{click_id}}`"
            )
            return "", (), []
        scheme, host, rest = parts.groups()
        if scheme == "http" and not described.allow_http:
            self.mistakes.append("url: plain http; take https, or set allow_http: true")
        template = templates.in_place(self._template("url", rest), _fit)
        path, *query = templates.split(template, "?", 1)
        return f"{scheme}://{host}", path, templates.pairs(query[0]) if query else []

    def _header(self, name: str, text: str) -> Template:
        if not _HEADER(name) or name.lower() in RESERVED_HEADERS:
            self.mistakes.append(f"headers.{name}: not a header's name that can be set")
        if _NO_HEADER_TEXT(text):
            self.mistakes.append(f"headers.{name}: contains a line break or another control character")
        return self._template(f"headers.{name}", text)

    def _template(self, path: str, text: str) -> Template:
        try:
            template = templates.parsed(text, self._is_known, brackets=self._brackets)
        except Mistake as mistake:
            self.mistakes.append(f"{path}: {mistake}")
            return ()
        for macro in templates.macros(template):
            self.mistakes += [
                f"{path}: {{{macro.expression}}}: {wrong}" for each in macro.filters if (wrong := problem(*each))
            ]
        return template

    def _tree(self, path: str, value: Any) -> Any:
        """JSON with a template in place of each text."""
        if isinstance(value, str):
            return self._template(path, value)
        if isinstance(value, Mapping):
            return {name: self._tree(f"{path}.{name}", member) for name, member in value.items()}
        if isinstance(value, list):
            return [self._tree(f"{path}[{i}]", member) for i, member in enumerate(value)]
        return value

    def _body_kind(self, described: Described) -> None:
        kinds = [name for name in BODIES if getattr(described, name) is not None]
        if len(kinds) > 1:
            self.mistakes.append(f"{kinds[1]}: {kinds[0]} is there, too; a request has one body")
        elif kinds and described.method == "GET":
            self.mistakes.append(f"{kinds[0]}: a GET request has no body; set method: POST")
        if described.wrap_in_array and kinds != ["json"]:
            self.mistakes.append("wrap_in_array: only a json body is wrapped")

    def _alternatives(self, names: str) -> list[str]:
        several = [name.strip() for name in names.split("|")]
        if not all(map(self._is_known, several)):
            place = f"required[{[*self._described.required].index(names)}]"
            self.mistakes.append(f"{place}: not a macro's name, nor several with | between: `idfa|gaid`")
        return [name for name in several if is_macro(name)]

    def _is_known(self, name: str) -> bool:
        return name in self._own or is_macro(name)

    def _shown(self) -> str:
        path = "".join(part if isinstance(part, str) else f"{{{part.expression}}}" for part in self._path)
        return self.origin + (path or "/")

    # What it comes to for a conversion.

    def values(self, given: Mapping[str, JSON]) -> templates.Values:
        """How macros get their values: from the settings, or from what a conversion gave, by expression."""
        own = self._own

        def value(macro: Macro) -> JSON:
            if macro.name in own:
                return applied(own[macro.name], macro.filters, NOTHING)
            return given.get(macro.expression)

        return value

    def unfit_header(self, given: Mapping[str, JSON]) -> bool:
        """Whether a header's value has a line break or another control character."""
        values = self.values(given)
        return any(_NO_HEADER_TEXT(templates.filled(text, values, templates.PLAIN)) for _, text in self._headers)

    def leaves_its_path(self, given: Mapping[str, JSON]) -> bool:
        """Whether a value is ``.`` or ``..`` where a part of the path stands: the URL would be another one."""
        if all(isinstance(part, str) for part in self._path):
            return False
        return not {".", ".."}.isdisjoint(templates.filled(self._path, self.values(given), IN_URL).split("/"))

    def filled(self, given: Mapping[str, JSON]) -> Filled:
        """The call for a conversion that gave these values, by expression."""
        values = self.values(given)
        target = templates.filled(self._path, values, IN_URL) or "/"
        if query := "&".join(templates.filled_pairs(self._query, values, IN_URL, drop=self._drop)):
            target += f"?{query}"
        headers = {name: _header_text(templates.filled(text, values, templates.PLAIN)) for name, text in self._headers}
        return Filled(target, headers, self._body(values, headers))

    def _body(self, values: templates.Values, headers: dict[str, str]) -> bytes | None:
        if self._json is not None:
            content = self._json_of(self._json, values)
            body = {} if content is _GONE else content
            headers.setdefault(*_type(headers, "application/json"))
            return msgspec.json.encode([body] if self._described.wrap_in_array else body)
        if self._described.form is not None:
            headers.setdefault(*_type(headers, "application/x-www-form-urlencoded"))
            return "&".join(templates.filled_pairs(self._form, values, IN_FORM, drop=self._drop)).encode()
        if self._described.raw is not None:
            headers.setdefault(*_type(headers, "text/plain; charset=utf-8"))
            return templates.filled(self._raw, values, Place(_escape_of(self._content_type))).encode()
        return None

    def _json_of(self, tree: Any, values: templates.Values) -> Any:
        if isinstance(tree, tuple):
            return self._json_text(tree, values)
        if isinstance(tree, Mapping):
            members = {name: self._json_of(member, values) for name, member in tree.items()}
            kept = {name: member for name, member in members.items() if member is not _GONE}
            return _GONE if self._drop and tree and not kept else kept
        if isinstance(tree, list):
            items = [item for member in tree if (item := self._json_of(member, values)) is not _GONE]
            return _GONE if self._drop and tree and not items else items
        return tree

    def _json_text(self, template: Template, values: templates.Values) -> Any:
        if self._drop and templates.is_missing(template, values):
            return _GONE
        macro = templates.sole(template)
        return templates.filled(template, values, templates.PLAIN) if macro is None else values(macro)


_GONE = object()
"""In place of what a template drops."""


def _type(headers: Mapping[str, str], content_type: str) -> tuple[str, str]:
    """The header of the body's type, under the name that the user gave it."""
    return next((name for name in headers if name.lower() == "content-type"), "Content-Type"), content_type


_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_IN_URL = _PRINTABLE.replace("#", "")
_IN_PAIR = _IN_URL.replace("&", "")


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _form_quoted(text: str) -> str:
    return quote_plus(text, safe="")


def _fit(text: str) -> str:
    """As it is written, but for what no URL can have."""
    return quote(text, safe=_IN_URL)


def _in_pair(text: str) -> str:
    """The same of a value, which another pair does not begin in."""
    return quote(text, safe=_IN_PAIR)


def _in_form(text: str) -> str:
    return quote_plus(text, safe=_IN_PAIR)


def _header_text(text: str) -> str:
    return (text if text.isascii() else quote(text, safe=_PRINTABLE + " ")).strip()


IN_URL = Place(_quoted, raw=_fit)
IN_FORM = Place(_form_quoted)


def _escape_of(content_type: str) -> Callable[[str], str]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return lambda text: msgspec.json.encode(text).decode()[1:-1]
    if kind.endswith(("/xml", "+xml")):
        return lambda text: escape(text, {'"': "&quot;", "'": "&apos;"})
    return str


def signed(secret: str, over: bytes) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.new(secret.encode(), over, hashlib.sha256).hexdigest()


def basic(username: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()
