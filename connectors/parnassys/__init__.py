"""The doors of ParnasSys: an EDEXML file, and the UWLR web service; one reader for both."""

from connectors.parnassys.edexml import EdexmlFile, looked_at, moment_of, school_of, unlike_an_export
from connectors.parnassys.reader import read_roster
from connectors.parnassys.school import SchoolBlock
from connectors.parnassys.soap import UwlrCredentials
from connectors.parnassys.uwlr import UwlrService, open_uwlr_session

__all__ = [
    "EdexmlFile",
    "SchoolBlock",
    "UwlrCredentials",
    "UwlrService",
    "looked_at",
    "moment_of",
    "open_uwlr_session",
    "read_roster",
    "school_of",
    "unlike_an_export",
]
