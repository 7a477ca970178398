"""Finished records out of a stream of XML, never holding the whole tree; what is hostile or no EDEXML is refused here.

What a record says is read in `records.py`; whose export it is, is judged in `school.py`.
"""

import codecs
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from lxml import etree

from connectors.base import PermanentError
from connectors.parnassys.refusals import refusal, size

Element: TypeAlias = etree._Element  # noqa: SLF001  lxml has no public name for it

MAX_BYTES = 2**30
"""Largest export: 1 GiB, forty times a school board of 25,000 pupils in one file."""

MAX_RECORD = 2**22
"""Most bytes that may go by without one finished record: 4 MiB, as a record in the making is looked at again and again."""

MAX_DEPTH = 32
"""Deepest nesting, the root being 1; EDEXML needs 6, in a SOAP answer 9."""

CHUNK = 2**16

SECTIONS = frozenset({"vestigingen", "groepen", "leerlingen", "leerkrachten"})
"""What may stand beside the school block: the schemas of EDEXML and UWLR leave no room for anything else there."""

_CONTAINERS = frozenset({"EDEX", "leerlinggegevens"})
_WRAPPERS = frozenset({"Envelope", "Body", "leerlinggegevens_antwoord"})
_TOO_DEEP = etree.XPath(f"boolean(/{'/'.join('*' * (MAX_DEPTH + 1))})")
_DOCTYPE = re.compile(r"(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)


def chunks_of(content: bytes) -> Iterator[bytes]:
    """`content` in pieces for `finished_records`."""
    return (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))


def chunks_from(file: BinaryIO) -> Iterator[bytes]:
    """The rest of an open file in pieces for `finished_records`."""
    return iter(lambda: file.read(CHUNK), b"")


def finished_records(chunks: Iterable[bytes]) -> Iterator[tuple[str, Element]]:
    """The records of an EDEXML file or a UWLR answer, each with the local name of the section it stands in.

    The school block comes as the record of the section `school`, and what is none of `SECTIONS` as a record of itself. An
    element is there until the next piece is asked for; prefixes, namespaces and the order of sections do not matter.

    Raises:
        PermanentError: `doctype`, `entiteiten`, `te_groot`, `te_diep`, `geen_edexml`, `afgebroken`, `leeg`,
            `geengegevens`; records may have been given before it.
    """
    parser, idle, blank = _parser(_CONTAINERS | _WRAPPERS, ("start",)), 0, True
    root: Element | None = None
    for chunk in chunks:
        blank = blank and chunk.isspace()
        _feed(parser, chunk, opening=root is None)
        root = _root(parser, root)
        idle += len(chunk)
        for record in _finished(root, whole=False):
            idle = 0
            yield record
        if idle > MAX_RECORD:
            raise refusal("te_groot", limit=size(MAX_RECORD))
    if blank:
        raise refusal("leeg")
    root = _close(parser)
    if _container(root) is None:
        raise refusal("geen_edexml")
    yield from _finished(root, whole=True)


def first_signs(chunks: Iterable[bytes], names: Collection[str]) -> Iterator[tuple[str, Element]]:
    """Where elements with one of these local names begin (`start`, without their content) and end (`end`).

    For a look at the beginning of an answer: nothing is dropped, and no more than `MAX_RECORD` bytes are read.

    Raises:
        PermanentError: `doctype`, `entiteiten`, `te_groot`, `te_diep`, `geen_edexml`, `afgebroken`.
    """
    parser, read = _parser(names, ("start", "end")), 0
    for chunk in chunks:
        _feed(parser, chunk, opening=read == 0)
        read += len(chunk)
        yield from _events(parser)
        if read > MAX_RECORD:
            return


def local_name(tag: str) -> str:
    """`{namespace}leerling` -> `leerling`."""
    return tag.rpartition("}")[2]


def _parser(names: Collection[str], events: Sequence[Literal["start", "end"]]) -> etree.XMLPullParser:
    """A parser that reports elements of these local names, expands nothing and fetches nothing.

    Without huge_tree libxml2 itself bounds texts (10 MB) and depth (256).
    """
    return etree.XMLPullParser(
        events=events,
        tag=[f"{{*}}{name}" for name in names],
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _refuse_doctype(chunk: bytes) -> None:
    """Refuse a chunk that opens with a DOCTYPE, before libxml2 reads what that declares."""
    encoding = "utf-16" if chunk[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "latin-1"
    if _DOCTYPE.match(chunk.removeprefix(codecs.BOM_UTF8).decode(encoding, "replace")):
        raise refusal("doctype")


def _feed(parser: etree.XMLPullParser, chunk: bytes, *, opening: bool) -> None:
    if opening:
        _refuse_doctype(chunk)
    try:
        parser.feed(chunk)
    except etree.XMLSyntaxError as error:
        raise _refused(cast("Any", error).code, error.msg) from None
    for entry in parser.feed_error_log:  # an unknown entity does not raise by itself
        raise _refused(entry.type, entry.message)


def _events(parser: etree.XMLPullParser) -> list[tuple[str, Element]]:
    return cast("list[tuple[str, Element]]", list(parser.read_events()))


def _close(parser: etree.XMLPullParser) -> Element:
    try:
        return parser.close()
    except etree.XMLSyntaxError as error:
        raise _refused(cast("Any", error).code, error.msg) from None


def _refused(code: int, message: str) -> PermanentError:
    """The error for an error of libxml2; `message` is looked at, not shown, since it may hold a value."""
    kinds = etree.ErrorTypes
    if code in (kinds.ERR_UNDECLARED_ENTITY, kinds.WAR_UNDECLARED_ENTITY, kinds.ERR_ENTITY_LOOP):
        return refusal("entiteiten")
    if code in (kinds.ERR_DOCUMENT_EMPTY, kinds.ERR_DOCUMENT_START):
        return refusal("geen_edexml")
    if code == kinds.ERR_RESOURCE_LIMIT:
        return _limit_passed(message)
    return refusal("afgebroken")


def _limit_passed(message: str) -> PermanentError:
    if "depth" in message:
        return refusal("te_diep", depth=MAX_DEPTH)
    if "entity" in message:
        return refusal("entiteiten")
    return refusal("te_groot", limit=size(MAX_RECORD))


def _root(parser: etree.XMLPullParser, known: Element | None) -> Element | None:
    """The root as soon as it has begun; its events are drained all the same, or they would pile up."""
    begun = [element for _, element in _events(parser)]
    root = known if known is not None or not begun else begun[0]
    if root is None:
        return None
    if root.getparent() is not None:
        raise refusal("geen_edexml")
    if root.getroottree().docinfo.internalDTD is not None:  # in an encoding that `_refuse_doctype` cannot read
        raise refusal("doctype")
    if _TOO_DEEP(root):
        raise refusal("te_diep", depth=MAX_DEPTH)
    return root


def _container(root: Element | None) -> Element | None:
    """The element that holds the sections: the root itself, or inside Envelope/Body/leerlinggegevens_antwoord."""
    if root is None or local_name(root.tag) in _CONTAINERS:
        return root
    for child in root if local_name(root.tag) in _WRAPPERS else ():
        name = local_name(child.tag)
        if name == "geengegevens":
            raise refusal("geengegevens")
        if name in _WRAPPERS or name in _CONTAINERS:
            return _container(child)
    return None


def _finished(root: Element | None, *, whole: bool) -> Iterator[tuple[str, Element]]:
    """What is complete: all but the last record of the last section, which may still grow. It is dropped afterwards."""
    container = _container(root)
    sections = [] if container is None else list(container)
    for section in sections:
        growing = not whole and section is sections[-1]
        name = local_name(section.tag)
        if name in SECTIONS:
            records = list(section)
            if growing:
                del records[-1:]
            for record in records:
                yield name, record
            _drop_first(section, len(records))
        elif not growing:
            yield name, section
    if container is not None:
        _drop_first(container, len(sections) - 1)


def _drop_first(element: Element, count: int) -> None:
    if count > 0:
        del cast("Any", element)[:count]  # the stubs know no slices
