"""YAML text into a pydantic model, with Dutch errors that name file, line, key, what was found and what was expected.

Pure: who reads the files is `pipelines.settings`. What agreements and schools mean is not known here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mappings.agreement import SCHOOL_KEY
from mappings.profile import SUPPLIER_NAME

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]
"""Where a value stands: `("connection", "token")`, `("schools", 0)`."""

MOST_VALUES = 20_000
"""More values than this in one file is not a settings file; it also ends an alias that holds itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a settings file. `found` is None where nothing stands there, or where it may be a secret."""

    file: str
    line: int | None
    key: str
    found: str | None
    message: str

    def __str__(self) -> str:
        place = [self.file, f"regel {self.line}" if self.line else "", f"`{self.key}`" if self.key else ""]
        found = f" Gevonden: {self.found}." if self.found is not None else ""
        return f"{', '.join(part for part in place if part)}: {self.message}.{found}"


class SettingsError(Exception):
    """Settings that cannot be used: every problem of every file that was read, each safe to show."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML text as plain values, with the line on which each of them stands, and what is wrong with its form."""

    file: str
    data: object
    lines: Mapping[Place, int]
    problems: tuple[Problem, ...] = ()

    def problem(self, path: Place, message: str, found: str | None = None) -> Problem:
        """A problem of this file at `path`, or at the nearest line above it that exists."""
        line = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), 1)
        return Problem(self.file, line, key_text(path), found, message)


def parsed(text: str, file: str, model: type[M]) -> M:
    """The model that `text` describes; `file` is the name to show.

    A value is text as it was written, and only the model decides what it is: `3` and `"3"` are equal, `no` is text.

    Raises:
        SettingsError: every problem in the text at once.
    """
    return validated(document(text, file), model)


@lru_cache(maxsize=256)
def document(text: str, file: str) -> Document:
    """The plain values of `text`; an empty text is an empty mapping. Anchors are followed, `<<` is an ordinary key.

    Read once: a process that lives on reads the same profiles and agreements again and again. Nobody alters what it gives.

    Raises:
        SettingsError: the text is not YAML at all; milder problems of form are in `Document.problems`.
    """
    try:
        node = yaml.compose(text, Loader=_TextLoader)
        return _Outline(file).document(node)
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError((_syntax_problem(error, text, file),)) from None


def validated(source: Document, model: type[M]) -> M:
    """The model that `source` describes.

    Raises:
        SettingsError: the document's own problems and those of its values.
    """
    problems = list(source.problems)
    try:
        result = model.model_validate(source.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += [_problem(source, model, detail) for detail in details if not _follows(detail, details)]
        result = None
    if result is None or problems:
        raise SettingsError(tuple(sorted(problems, key=lambda problem: problem.line or 0))) from None
    return result


def key_text(path: Place) -> str:
    """`schools[1].name`: a path as a person reads it; items of a list are counted from 1."""
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


class _TextLoader(yaml.SafeLoader):
    """Leaves every scalar as text, but for an empty value: no dates, no octal numbers, no `no` that means false."""

    yaml_implicit_resolvers = {  # noqa: RUF012  the name and kind that PyYAML looks for
        first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith(":null")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Outline:
    """Walks a node tree once, gathering plain values, lines and problems of form."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Place, int] = {(): 1}
        self.problems: list[Problem] = []

    def document(self, node: yaml.Node | None) -> Document:
        data = {} if node is None else self._value(node, ())
        return Document(self.file, data, MappingProxyType(self.lines), tuple(self.problems))

    def _value(self, node: yaml.Node, path: Place) -> object:
        if len(self.lines) > MOST_VALUES:
            raise yaml.MarkedYAMLError(problem="te veel waarden", problem_mark=node.start_mark)
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag.endswith(":null"):
            return None
        if not node.tag.endswith(":str"):
            self._report(node, path, "laat het label (met uitroepteken) voor deze waarde weg")
        return str(node.value)

    def _items(self, node: yaml.MappingNode, path: Place) -> Iterator[tuple[str, object]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(key_node, path, "een sleutel moet één woord zijn")
                continue
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen:
                self._report(key_node, (*path, key), f"deze sleutel staat er twee keer, ook op regel {seen[key]}")
            seen[key] = line
            self.lines[(*path, key)] = line
            yield key, self._value(value_node, (*path, key))

    def _report(self, node: yaml.Node, path: Place, message: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, key_text(path), None, message))


def _syntax_problem(error: Exception, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    position = getattr(error, "position", None)
    line = mark.line + 1 if mark else text.count("\n", 0, position) + 1 if isinstance(position, int) else None
    message = "dit is geen leesbare YAML; kijk hier en op de regel erboven naar het inspringen, de dubbele punten en de aanhalingstekens"
    cause = getattr(error, "problem", None) or ""
    for part, explanation in _SYNTAX.items():
        if part in cause:
            message = explanation
    if isinstance(error, RecursionError):
        message = _SYNTAX["te veel waarden"]
    return Problem(file, line, "", None, message)


_SYNTAX = {
    "'\\t'": "gebruik spaties om in te springen, geen tab",
    "undefined alias": "hier wordt met * naar iets verwezen dat niet bestaat",
    "but found another document": "er mag maar één document in dit bestand staan; haal de regel met --- weg",
    "te veel waarden": "dit bestand is te groot of verwijst naar zichzelf",
}


def _problem(source: Document, model: type[BaseModel], detail: ErrorDetails) -> Problem:
    path = _path_in(source, detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        return source.problem(path, _unknown_key(str(path[-1]), _known_keys(model, detail["loc"][:-1])))
    message = _message(kind, detail.get("ctx", {}))
    found = None if _hidden(kind, path) else _shown(detail["input"], structure=kind in _STRUCTURES)
    return source.problem(path, message, found)


def _follows(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Whether a list is called too short only because what is in it is wrong."""
    place = detail["loc"]
    inside = (other["loc"] for other in details if len(other["loc"]) > len(place))
    return detail["type"] == "too_short" and any(loc[: len(place)] == place for loc in inside)


def _path_in(source: Document, loc: Place) -> Place:
    """The place that pydantic's `loc` means: names that are not in the text (tags of a union) are passed over."""
    path: Place = ()
    for part in loc:
        if (*path, part) in source.lines:
            path = (*path, part)
    missing = loc[-1:] if path[-1:] != loc[-1:] else ()
    return path + missing


def _hidden(kind: str, path: Place) -> bool:
    """Nothing stands there, the text is our own and says what may be said, or the key is that of a secret."""
    return kind in {"missing", "value_error"} or any(_TELLTALE.search(str(part)) for part in path)


_TELLTALE = re.compile(
    "token|sleutel|apikey|api_key|pass|wachtwoord|geheim|secret|klantcode|certifica|url", re.IGNORECASE
)
"""A key with this in its name may hold a secret, or an address that carries one."""


_STRUCTURES = frozenset({"model_type", "model_attributes_type", "dict_type", "tuple_type", "list_type"})


def _shown(value: object, *, structure: bool) -> str:
    """What was found; where a `structure` was expected, a loose text could be anything, so it is not repeated."""
    if value is None:
        return "niets"
    if isinstance(value, dict):
        return "sleutels met waarden"
    if isinstance(value, list):
        return "een lijst"
    return "een losse waarde" if structure else f"`{value}`"


def _unknown_key(key: str, known: list[str]) -> str:
    near = get_close_matches(key.lower(), known, n=1)
    advice = f"bedoeld is misschien `{near[0]}`" if near else f"hier mogen staan: {', '.join(known)}"
    return f"deze sleutel is onbekend; {advice}"


def _known_keys(model: type[BaseModel], loc: Place) -> list[str]:
    """The keys that may stand at `loc`."""
    models = [model]
    for part in loc:
        if inner := [m for m in models if part in m.model_fields]:
            models = [found for m in inner for found in _models_in(m.model_fields[str(part)].annotation)]
        elif tagged := [m for m in models if any(f.default == part for f in m.model_fields.values())]:
            models = tagged
    return list(dict.fromkeys(name for m in models for name in m.model_fields if name != "kind"))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _message(kind: str, context: Mapping[str, Any]) -> str:
    """What was expected, in Dutch, for pydantic's error type `kind`."""
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], "deze waarde heeft niet de verwachte vorm")
    if "expected" in context:
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"verwacht een van: {', '.join(choices)}"
    for part, message in _MESSAGES.items():
        if kind.startswith(part):
            return message.format_map(context)
    return f"deze waarde kan hier niet staan ({kind})"


_PATTERNS = {
    SCHOOL_KEY: "verwacht BRIN en vestiging van de school, zoals 99XX-00, met hoofdletters",
    SUPPLIER_NAME: "verwacht een naam van kleine letters, cijfers en lage streepjes",
}

_MESSAGES = {
    "missing": "deze sleutel ontbreekt, en is verplicht",
    "string_too_short": "verwacht minstens {min_length} teken(s)",
    "string_too_long": "verwacht hoogstens {max_length} teken(s)",
    "string": "verwacht tekst",
    "date": "verwacht een datum die bestaat, zoals 2026-08-31",
    "greater_than_equal": "verwacht {ge:g} of meer",
    "greater_than": "verwacht meer dan {gt:g}",
    "less_than_equal": "verwacht {le:g} of minder",
    "less_than": "verwacht minder dan {lt:g}",
    "finite_number": "verwacht een getal",
    "int": "verwacht een geheel getal",
    "float": "verwacht een getal",
    "bool": "verwacht true of false",
    "too_short": "verwacht minstens {min_length} waarde(n) in de lijst",
    "tuple": "verwacht een lijst, zoals [een, twee]",
    "list": "verwacht een lijst, zoals [een, twee]",
    "dict": "verwacht sleutels met waarden",
    "model": "verwacht sleutels met waarden",
    "union_tag": "verwacht één soort, met sleutels daaronder",
}
