"""Hypothesis strategies for EDEXML: any document that the official schemas accept, in any dress that XML allows."""

from collections.abc import Callable
from datetime import date
from typing import Any

from hypothesis import strategies as st
from lxml import etree

from data_contracts.fields import JAARGROEPEN, ROLLEN

XSI = "http://www.w3.org/2001/XMLSchema-instance"
Draw = Callable[[st.SearchStrategy[Any]], Any]

CHARACTERS = st.characters(
    exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff", include_characters="\t\n\r"
)
ODD = [
    "Jan",
    "d'Été",
    "  Anna \t Maria\n",
    "<&>\"'",
    "\u00a0",
    "e\u0301e\u0308",
    "😀",
    "]]>",
    "#tijdelijk",
    "?",
    "van der",
    "\u2028",
]


def text(longest: int) -> st.SearchStrategy[str]:
    """Text of at least one character; often plain, sometimes odd, seldom as long as may be."""
    odd = st.sampled_from([o for o in ODD if len(o) <= longest])
    return st.one_of(
        st.text("aeiklmnorst ", min_size=1, max_size=min(longest, 12)),
        odd,
        st.text(CHARACTERS, min_size=1, max_size=min(longest, 12)),
        st.text(CHARACTERS, min_size=longest, max_size=longest) if longest <= 64 else st.just("x" * longest),
    )


KEY = st.one_of(st.text("0123456789", min_size=1, max_size=6), text(64), st.just("k" * 64))
LONG_KEY = st.one_of(KEY, st.just("K" * 256))
BIRTH = st.dates(date(2008, 1, 1), date(2023, 12, 31)).map(date.isoformat)
DATE = st.one_of(
    st.dates(date(2012, 1, 1), date(2027, 7, 31)).map(date.isoformat),
    st.sampled_from(["0001-01-01", "9999-12-31", "2016-02-29Z", "2016-03-07+14:00", "1850-06-01"]),
)
MOMENT = st.sampled_from(
    ["2026-11-01T06:30:00", "2026-11-01T06:30:00.123Z", "2026-11-01T24:00:00", "2026-11-01T06:30:00+01:00"]
)
YEAR = st.one_of(st.sampled_from(["3", "4", "5", "6"]), st.sampled_from(sorted(JAARGROEPEN)))
ROLES = {"2.0": sorted(ROLLEN - {"TAL"}), "2.1": sorted(ROLLEN)}


def _digits(number: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=number, max_size=number)


LAND = st.sampled_from(["NL", "BE", "?"])
NUMBERS = [
    ("bsn", _digits(9)),
    ("sofinummer", _digits(9)),
    ("onderwijsnummer", _digits(9)),
    ("bsn_ondwnr-4", _digits(4)),
    ("rijksregisternummer", _digits(11)),
]
CODES = [("postcodenl", st.just("1234AB")), ("postnummerbe", _digits(4)), ("postcodeoverig", text(32))]


class Writer:
    """Writes one document, asking `draw` for everything that may be so or otherwise."""

    def __init__(self, draw: Draw, version: str) -> None:
        self.draw = draw
        self.version = version
        self.newer = version != "1.0.3"
        self.year = YEAR if self.newer else st.sampled_from("012345678")
        self.keys = KEY if version != "2.1" else LONG_KEY

    def maybe(self, parent: Any, name: str, values: st.SearchStrategy[str]) -> None:
        """An optional element with text."""
        if self.draw(st.booleans()):
            etree.SubElement(parent, name).text = self.draw(values)

    def distinct_keys(self, least: int, most: int) -> list[str]:
        """Keys that differ."""
        return list(self.draw(st.lists(self.keys, min_size=least, max_size=most, unique=True)))

    def document(self, school: str) -> Any:
        """The whole tree, about `school` (`99XX-00`) in 2026-2027."""
        prefix = self.draw(st.sampled_from(["xsi", "i", "q1"]))
        root = etree.Element("EDEX", nsmap={prefix: XSI})
        self.school(etree.SubElement(root, "school"), school)
        sites = self.distinct_keys(1, 2) if self.newer and self.draw(st.booleans()) else []
        for key in sites:
            self.site(_section(root, "vestigingen"), key)
        keys = self.distinct_keys(0, 4)
        extra = keys[len(keys) // 2 :] if self.newer else []
        groups = [key for key in keys if key not in extra]
        for key in self.draw(st.permutations(keys)):
            self.group(_section(root, "groepen"), key, extra=key in extra)
        for key in self.distinct_keys(1, 8):
            self.pupil(_section(root, "leerlingen"), key, groups, extra, sites)
        for key in self.distinct_keys(0, 3):
            self.teacher(_section(root, "leerkrachten"), key, groups, extra)
        return root

    def school(self, parent: Any, school: str) -> None:
        """Which school and year; what else may stand there."""
        etree.SubElement(parent, "schooljaar").text = "2026-2027"
        if self.newer:
            self.maybe(parent, "peildatum", st.just("2026-11-02"))
        etree.SubElement(parent, "brincode").text = school[:4]
        if school[5:] != "00" or self.draw(st.booleans()):
            etree.SubElement(parent, "dependancecode").text = school[5:]
        if self.newer:
            self.maybe(parent, "schoolkey", self.keys)
        self.maybe(parent, "aanmaakdatum", MOMENT)
        self.maybe(parent, "auteur", text(128))
        self.maybe(parent, "xsdversie", text(32))
        self.maybe(parent, "commentaar", st.one_of(st.just(""), text(300)))
        if self.newer:
            self.additions(parent)

    def site(self, parent: Any, key: str) -> None:
        """A location."""
        element = etree.SubElement(parent, "vestiging", key=key)
        etree.SubElement(element, "naam").text = self.draw(text(64))
        self.maybe(element, "omschrijving", text(256))

    def group(self, parent: Any, key: str, *, extra: bool) -> None:
        """A group of either kind."""
        element = etree.SubElement(parent, "samengestelde_groep" if extra else "groep", key=key)
        etree.SubElement(element, "naam").text = self.draw(text(64))
        if not extra:
            etree.SubElement(element, "jaargroep").text = self.draw(self.year)
        if self.newer:
            self.maybe(element, "omschrijving", text(256))
            self.additions(element)
            self.maybe(element, "mutatiedatum", MOMENT)

    def names(self, parent: Any) -> None:
        """A surname and what may come with it, or a first name alone."""
        if self.draw(st.booleans()):
            etree.SubElement(parent, "achternaam").text = self.draw(text(200 if self.newer else 64))
            for name, longest in (("voorvoegsel", 10), ("voornamen", 200), ("voorletters-1", 6), ("roepnaam", 64)):
                if self.newer or name != "voornamen":
                    self.maybe(parent, name, text(longest))
        else:
            etree.SubElement(parent, "roepnaam").text = self.draw(text(64))

    def person(self, section: Any, name: str, key: str) -> Any:
        """The element of a person, with its keys and names."""
        element = etree.SubElement(section, name, key=key)
        if self.version == "2.1" and self.draw(st.booleans()):
            known = {other.get("eckid") for other in section}
            tail = self.draw(st.sampled_from(["", "/pilot", "niet-zo"]))
            eckid = f"https://ketenid.nl/201703{tail}/{len(section)}{key[:40]}" if tail != "niet-zo" else f"x{key[:60]}"
            if eckid not in known:
                element.set("eckid", eckid)
        self.names(element)
        return element

    def pupil(self, section: Any, key: str, groups: list[str], extra: list[str], sites: list[str]) -> None:
        """A pupil."""
        element = self.person(section, "leerling", key)
        self.maybe(element, "geboortedatum", st.one_of(BIRTH, DATE))
        self.maybe(element, "geslacht", st.sampled_from(["0", "1", "2", "9", " 1 ", "+2"]))
        if self.newer:
            self.maybe(element, "start_ondw_jgr3", DATE)
        self.maybe(element, "jaargroep", self.year)
        if groups and (self.newer or element.find("jaargroep") is None) and self.draw(st.booleans()):
            etree.SubElement(element, "groep", key=self.draw(st.sampled_from(groups)))
        if extra and self.draw(st.booleans()):
            several = etree.SubElement(element, "samengestelde_groepen")
            for one in self.draw(st.lists(st.sampled_from(extra), min_size=1, max_size=2)):
                etree.SubElement(several, "samengestelde_groep", key=one)
        if sites and self.draw(st.booleans()):
            etree.SubElement(element, "vestiging", key=self.draw(st.sampled_from(sites)))
        if self.newer:
            self.maybe(element, "gebruikersnaam", text(64))
            self.maybe(element, "emailadres", text(256))
            self.maybe(element, "fotourl", text(256))
        self.what_nobody_gets(element)
        self.maybe(element, "instroomdatum", DATE)
        self.maybe(element, "uitstroomdatum", DATE)
        self.additions(element)
        if self.newer:
            self.maybe(element, "mutatiedatum", MOMENT)

    def what_nobody_gets(self, element: Any) -> None:
        """Origin, personal numbers, weights and addresses."""
        self.maybe(element, "etniciteit", st.sampled_from("019"))
        for name in ("land", "land_vader", "land_moeder"):
            self.maybe(element, name, LAND)
        name, values = self.draw(st.sampled_from(NUMBERS[1:3] if not self.newer else NUMBERS))
        self.maybe(element, name, values)
        if self.newer:
            self.maybe(element, "gewicht_nieuw", st.sampled_from(["?", "0", "0,3", "1,2"]))
        self.maybe(element, "gewicht", st.sampled_from(["?", "0.00", "0.25"]))
        if self.newer:
            self.maybe(element, *self.draw(st.sampled_from(CODES)))

    def teacher(self, section: Any, key: str, groups: list[str], extra: list[str]) -> None:
        """A teacher."""
        element = self.person(section, "leerkracht", key)
        if self.newer:
            self.maybe(element, "gebruikersnaam", text(64))
            self.maybe(element, "emailadres", text(256))
            self.roles(element)
        all_groups = [("groep", one) for one in groups] + [("samengestelde_groep", one) for one in extra]
        if all_groups and self.draw(st.booleans()):
            taught = etree.SubElement(element, "groepen")
            for kind, one in self.draw(st.lists(st.sampled_from(all_groups), min_size=1, max_size=3)):
                group = etree.SubElement(taught, kind, key=one)
                if self.newer:
                    self.roles(group)
        if self.newer:
            self.additions(element)

    def roles(self, parent: Any) -> None:
        """Any number of roles."""
        code = st.tuples(st.just("rol"), st.sampled_from(ROLES[self.version]))
        words = st.tuples(st.just("rolomschrijving"), text(64))
        for name, value in self.draw(st.lists(code | words, max_size=2)):
            etree.SubElement(parent, name).text = value

    def additions(self, parent: Any) -> None:
        """Free blocks."""
        if self.draw(st.integers(0, 3)) == 0:
            blocks = etree.SubElement(parent, "toevoegingen")
            block = etree.SubElement(blocks, "blok", {f"{{{XSI}}}type": "OpmerkingGegevensType"})
            etree.SubElement(block, "code").text = self.draw(text(64))
            etree.SubElement(block, "opmerking").text = self.draw(text(100))


def _section(root: Any, name: str) -> Any:
    found = root.find(name)
    return etree.SubElement(root, name) if found is None else found


def dressed(draw: Draw, root: Any) -> bytes:
    """The same document with comments, instructions and CDATA where XML allows them, in some encoding."""
    for element in draw(st.lists(st.sampled_from(list(root.iter(etree.Element))), max_size=4, unique_by=id)):
        interruption = draw(st.sampled_from([etree.Comment(" let op "), etree.ProcessingInstruction("proef", "x")]))
        if len(element) == 0 and element.text and draw(st.booleans()):
            if element.text.isascii() and "]]>" not in element.text and "\r" not in element.text:
                element.text = etree.CDATA(element.text)
        elif len(element) == 0 and element.text:
            place = draw(st.integers(0, len(element.text)))
            interruption.tail, element.text = element.text[place:], element.text[:place]
            element.append(interruption)
        else:
            element.insert(draw(st.integers(0, len(element))), interruption)
    encoding = draw(st.sampled_from(["UTF-8", "UTF-16", "ISO-8859-1", "US-ASCII"]))
    content = bytes(etree.tostring(root, encoding=encoding, xml_declaration=True))
    return b"\xef\xbb\xbf" + content if encoding == "UTF-8" and draw(st.booleans()) else content


@st.composite
def documents(draw: Draw, version: str, school: str) -> bytes:
    """A file of this version about this school that the official schema accepts."""
    return dressed(draw, Writer(draw, version).document(school))
