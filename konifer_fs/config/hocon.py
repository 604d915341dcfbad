"""HOCON text to plain dicts, lists, booleans and text, through pyhocon; `load` uses it and nobody else.

Numbers come out as the text that was written, as in Konifer, which converts each value where it is used.
What keys mean is not here.
"""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyhocon import ConfigFactory, ConfigParser, ConfigTree
from pyhocon.config_tree import ConfigList, ConfigSubstitution, ConfigValues, NoneValue
from pyhocon.exceptions import ConfigSubstitutionException
from pyparsing import ParseBaseException

from konifer_fs.config.errors import ConfigError

_WORD: Final = r"[A-Za-z0-9_-]+"
_QUOTED: Final = r'"(?:[^"\\\n]|\\.)*"'
_STEP: Final = rf"(?:{_WORD}|{_QUOTED})"
# What pyhocon would misread is respelled before it sees it; lines stay lines. Strings of three quotes and
# comments are matched first so that nothing inside them is touched.
_RESPELLED: Final = re.compile(
    rf"""
    (?P<kept> \"{{3}}.*?\"{{3,}} | (?:\#|//)[^\n]* )
    | (?<![\w.\-])(?P<key> (?:{_WORD}\.)*{_QUOTED}(?:\.{_STEP})* )(?=[ \t]*(?:[:={{]|\+=))
    | (?P<reference> \$\{{[^}}\n]*\}} )
    | \+=[ \t]*(?P<element> {_QUOTED} | \$\{{[^}}\n]*\}} | [^\s"\[\]{{}},\#$=:+]+ )
    | (?P<text> {_QUOTED} )
    | (?<![\w.\-/:\\])(?P<number> \d[^\n\r,\[\]{{}}"\#$=:+]*? )(?=[ \t]*(?:[\n\r,\]}}\#]|//|\Z))
    """,
    re.VERBOSE | re.DOTALL,
)
# Characters that pyhocon gives a meaning to even inside a quoted key wait in the private-use area.
_HIDE: Final = re.compile(r"[^\w/\-\x80-\U0010ffff]")
_SHOW: Final = {0xE000 + code: chr(code) for code in range(128)}
_UNQUOTED: Final = "includes a file where text that begins with a digit, such as 30s, must be in quotes"
_VARIABLE: Final = re.compile(rf"\$\{{\??({_WORD})")
_REFERENCE: Final = re.compile(r"\$\{[^}]*\}")
_LINE: Final = re.compile(r"\(?line: ?(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hocon:
    """A file's keys with their values, and the names of the keys at its root that it refers to by `${...}`."""

    values: Mapping[str, Any]
    variables: frozenset[str]


def read_hocon(path: Path, environ: Mapping[str, str]) -> Hocon:
    """Read the file `path`; `${NAME}` finds keys of the file, then `environ`. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    try:
        values = _parse(text, path.parent, environ)
    # pyhocon lets whatever befalls it escape: IndexError, AttributeError, RecursionError, ImportError, ...
    except Exception as error:  # noqa: BLE001
        raise ConfigError(f"{path}: {_describe(error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold keys, not a list")
    return Hocon(values=values, variables=frozenset(_VARIABLE.findall(text)))


def _parse(text: str, directory: Path, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - a dict, unless it is a list
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of calls that are deprecated in pyhocon's own dependencies
        tree = ConfigFactory.parse_string(_RESPELLED.sub(_respell, text), str(directory), resolve=False)
        if not isinstance(tree, ConfigTree):
            return tree
        _root_appends(tree, "")
        borrowed = {name for name in environ if name.isidentifier() and name not in tree}
        for name in borrowed:
            tree.put(name, environ[name])
        ConfigParser.resolve_substitutions(tree)
    plain = _to_plain(tree)
    return {key: value for key, value in plain.items() if key not in borrowed}


def _respell(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "key":
            return f'"""{_hide_quoted(found[0])}"""'
        case "reference":
            return _hide_quoted(found[0])
        case "element":
            # In HOCON `+=` appends one element; pyhocon appends a list, and joins texts.
            return f"+= [{_respell_element(found['element'])}]"
        case "text":
            return _respell_text(found[0])
        case "number":
            # pyhocon makes 30d a period, 007 a 7 and 1e9 a float, also in a password.
            return f'"{found[0]}"'
    return found[0]


def _respell_element(element: str) -> str:
    return _hide_quoted(element) if element.startswith("${") else _respell_text(element)


def _hide_quoted(path: str) -> str:
    def hide(segment: re.Match[str]) -> str:
        return _HIDE.sub(lambda character: chr(0xE000 + ord(character[0])), segment[0][1:-1])

    return re.sub(_QUOTED, hide, path)


def _respell_text(quoted: str) -> str:
    r"""Spell a quoted text with the escapes that pyhocon knows; JSON's `\/`, `\u0041` are not among them."""
    try:
        text = str(json.loads(quoted, strict=False))
    except ValueError:
        return quoted
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _root_appends(tree: ConfigTree, prefix: str) -> None:
    """Make each `+=` refer to its key from the root; pyhocon refers to the last step, and loses what was there."""
    for key, value in list(dict.items(tree)):
        name = f'{prefix}"{key}"'
        if isinstance(value, ConfigTree):
            _root_appends(value, f"{name}.")
        elif isinstance(value, ConfigValues):
            dict.__setitem__(tree, key, _root_append(value, name))


def _root_append(value: ConfigValues, name: str) -> Any:  # noqa: ANN401 - any of pyhocon's values
    if isinstance(value.overridden_value, ConfigValues):
        value.overridden_value = _root_append(value.overridden_value, name)
    for index, token in enumerate(value.tokens):
        if isinstance(token, ConfigSubstitution) and isinstance(token.instring, bool):
            token.variable = name
            if value.overridden_value is None:
                value.put(index, ConfigList())
    return value.transform()


def _to_plain(value: Any) -> Any:  # noqa: ANN401 - any of pyhocon's values
    if isinstance(value, ConfigTree):
        # Not `items()` of the tree itself: that parses each key as a path again.
        return {key.strip('"').translate(_SHOW): _to_plain(child) for key, child in dict.items(value)}
    if isinstance(value, list):
        return [_to_plain(child) for child in value]
    if isinstance(value, NoneValue):
        return None
    if not isinstance(value, str | int | float | None):
        raise ConfigError(_UNQUOTED)  # a period, which only an included file can still hold
    return value if value is None or isinstance(value, bool) else str(value)


def _describe(error: Exception) -> str:
    """Say what is wrong without quoting the file, which may hold secrets."""
    names = dict.fromkeys(_REFERENCE.findall(str(error).translate(_SHOW)))
    if isinstance(error, ConfigSubstitutionException) and names:
        return f"{', '.join(names)} is neither a key of the file nor in the environment, or refers to itself"
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, ParseBaseException):
        return f"line {error.lineno} cannot be read as HOCON"
    if isinstance(error, FileNotFoundError):
        return f"includes {error.filename}, which is not there"
    line = _LINE.search(str(error))
    return f"line {line[1]} cannot be read as HOCON" if line else "cannot be read as HOCON"
