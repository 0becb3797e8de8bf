"""XML to a plain tree that remembers lines; entities and document types are refused."""

import re
import xml.sax.handler  # only names: the parser is defusedxml's
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from xml.sax.xmlreader import AttributesNSImpl

from defusedxml import DefusedXmlException
from defusedxml.sax import make_parser

from hub import ConfigError

# The standard names 2003; files of some tools name other years.
NAMESPACE = re.compile(r"http://www\.iec\.ch/61850/\d{4}/SCL")
MAX_BYTES = 256 << 20
MAX_DEPTH = 64


class SclError(ConfigError):
    """The file is no usable SCL."""

    code = "scl"


class Element:
    """One element of the SCL namespace (or of none); `line` counts from 1."""

    __slots__ = ("attributes", "children", "line", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str], line: int) -> None:
        self.tag, self.attributes, self.line = tag, attributes, line
        self.children: list[Element] = []
        self.text = ""

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)

    def flag(self, name: str, default: bool = False) -> bool:
        """An xs:boolean attribute."""
        value = self.attributes.get(name)
        return default if value is None else value in {"true", "1"}

    def all(self, *tags: str) -> Iterator["Element"]:
        """Children with one of these tags."""
        return (child for child in self.children if child.tag in tags)

    def first(self, tag: str) -> "Element | None":
        return next(self.all(tag), None)

    def walk(self) -> Iterator["Element"]:
        """This element and all below it, in document order."""
        stack = [self]
        while stack:
            element = stack.pop()
            yield element
            stack.extend(reversed(element.children))


class _Builder(xml.sax.handler.ContentHandler):
    """Keeps the SCL namespace; what vendors put into Private elements is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.root: Element | None = None
        self.counts: Counter[str] = Counter()
        self._stack: list[Element] = []
        self._foreign = 0
        self._locator: xml.sax.xmlreader.Locator | None = None

    def setDocumentLocator(self, locator: xml.sax.xmlreader.Locator) -> None:  # noqa: N802
        self._locator = locator

    def startElementNS(  # noqa: N802
        self, name: tuple[str | None, str], qname: str | None, attrs: AttributesNSImpl
    ) -> None:
        space, tag = name
        self.counts[tag] += 1
        if self._foreign or (space and not NAMESPACE.fullmatch(space)):
            self._foreign += 1
            return
        line = self._locator.getLineNumber() or 0 if self._locator else 0
        if len(self._stack) >= MAX_DEPTH:
            raise SclError(f"line {line}: elements nested deeper than {MAX_DEPTH}")
        plain = {key[1]: value for key, value in attrs.items() if key[0] is None}
        element = Element(tag, plain, line)
        if self._stack:
            self._stack[-1].children.append(element)
        else:
            self.root = element
        self._stack.append(element)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802
        if self._foreign:
            self._foreign -= 1
        else:
            self._stack.pop()

    def characters(self, content: str) -> None:
        if self._stack and not self._foreign:
            self._stack[-1].text += content


def parse(raw: bytes) -> tuple[Element, Counter[str]]:
    """(SCL element, elements of any namespace by name). Raises SclError with line and reason."""
    if len(raw) > MAX_BYTES:
        raise SclError(f"file of {len(raw) >> 20} MiB; {MAX_BYTES >> 20} MiB are read at most")
    builder = _Builder()
    parser = make_parser()
    parser.forbid_dtd = True
    parser.setFeature(xml.sax.handler.feature_namespaces, True)
    parser.setContentHandler(builder)
    try:
        parser.parse(BytesIO(raw))
    except xml.sax.SAXParseException as error:
        line, column = error.getLineNumber(), error.getColumnNumber()
        reason = f"line {line}, column {column}: {error.getMessage()}"
        raise SclError(f"not well-formed XML, {reason}") from None
    except DefusedXmlException as error:
        line = parser.getLineNumber()
        raise SclError(f"line {line}: document types and entities are refused ({error})") from None
    except (UnicodeError, LookupError) as error:
        raise SclError(f"line {parser.getLineNumber()}: {error}") from None
    if builder.root is None or builder.root.tag != "SCL":
        found = builder.root.tag if builder.root else "nothing of its namespace"
        raise SclError(f"line 1: the root element must be SCL, found {found}")
    return builder.root, builder.counts
