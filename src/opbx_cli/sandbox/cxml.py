"""What a voice application may answer, CXML, read as far as a call needs it to end.

The grammar is Cloudonix's own (developers.cloudonix.com/Documentation/voiceApplication/Verbs).
What comes is foreign: no document type is accepted, so no entity can be defined, let alone
expanded, and nothing of the text is passed on but the names of verbs that are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

ROOT: Final = "Response"
HANGUP: Final = "Hangup"
REJECT: Final = "Reject"
# Documentation, "Voice Application Verbs", and OPBX's answers; others stay unnamed in a report.
VERBS: Final = frozenset(
    {"Answer", "Coach", "Connect", "Converse", "Dial", "Enqueue", "Gather", "Hangup", "Leave"}
    | {"Pause", "Play", "Record", "Redirect", "Reject", "Ringing", "Say", "Start", "Stop"}
)
UNKNOWN_VERB: Final = "an unknown verb"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ends: a session's last status, and the disposition in its record."""

    status: str
    disposition: str


# Documentation of `<Hangup>`: it "will indicate a successful billable call". The end of a document
# without it, and an empty one, are not documented: taken for the same.
HUNG_UP: Final = Ending("answer", "ANSWER")
# Documentation of `<Reject>` has the reasons, each with the SIP code that the caller gets; which
# disposition follows from it is not documented: the one whose meaning is that of the code.
REJECTED: Final = {
    "rejected": Ending("busy", "BUSY"),  # 486
    "busy": Ending("busy", "BUSY"),  # 486
    "congestion": Ending("congestion", "CONGESTION"),  # 500
    "failed": Ending("error", "FAILED"),  # 603
}
# An application that cannot be reached or understood is not documented either.
FAILED: Final = Ending("error", "FAILED")


@dataclass(frozen=True, slots=True)
class Script:
    """How the call ends, and the verbs on the way there that the sandbox does not carry out."""

    ending: Ending
    not_followed: tuple[str, ...] = ()


class NotCxmlError(Exception):
    """The answer is no CXML; the sentence says what it is instead, in words of ours."""


def read(content: bytes) -> Script:
    """Read an answer; raise `NotCxmlError` for one that is no CXML document."""
    if not content.strip():
        raise NotCxmlError("nothing where CXML belongs")
    skipped: list[str] = []
    for name, attributes in _verbs(content):
        if name == HANGUP:
            return Script(HUNG_UP, tuple(skipped))
        if name == REJECT:
            reason = attributes.get("reason", "rejected")
            return Script(REJECTED.get(reason, REJECTED["rejected"]), tuple(skipped))
        skipped.append(name if name in VERBS else UNKNOWN_VERB)
    return Script(HUNG_UP, tuple(dict.fromkeys(skipped)))


def _verbs(content: bytes) -> list[tuple[str, dict[str, str]]]:
    """Return the children of the document's root, with their attributes."""
    path: list[str] = []
    verbs: list[tuple[str, dict[str, str]]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if not path and name != ROOT:
            what = "HTML" if name.lower() == "html" else f"XML without a <{ROOT}>"
            raise NotCxmlError(f"{what} where CXML belongs")
        if len(path) == 1:
            verbs.append((name, attributes))
        path.append(name)

    def doctype(name: str, *_where: object) -> None:
        if name.lower() == "html":
            raise NotCxmlError("HTML where CXML belongs")
        raise NotCxmlError("XML with a DOCTYPE, which is refused")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: path.pop()
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)  # noqa: FBT003  # the signature of expat
    except (expat.ExpatError, ValueError, LookupError) as error:
        is_xml = content.lstrip()[:1] == b"<"
        what = "XML that is cut off or damaged" if is_xml else "something that is not XML"
        raise NotCxmlError(f"{what} where CXML belongs") from error
    return verbs
