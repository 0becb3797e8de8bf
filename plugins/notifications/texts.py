"""Texts with places: `{{name}}`, also `{{data.name}}`; nothing is ever executed."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hub import Channel, Notice

from .models import Template

_PLACE = re.compile(r"{{\s*([A-Za-z0-9_.]{1,80})\s*}}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
SUBJECT, BODY = 300, 10_000

Texts = Mapping[tuple[Channel, str], Template]


def _value(data: Mapping[str, Any], path: str) -> str:
    found: Any = data
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None:
        return ""
    if isinstance(found, bool):
        return "✓" if found else "✗"
    return str(found) if isinstance(found, str | int | float) else ""


def fill(template: str, data: Mapping[str, Any]) -> str:
    """The text with its places filled; what is not there is left empty."""
    return _CONTROL.sub("", _PLACE.sub(lambda m: _value(data, m[1]), template))


def line(template: str, data: Mapping[str, Any]) -> str:
    """One line, for a title or the subject of a mail: no value begins another header."""
    return " ".join(fill(template, data).split())[:SUBJECT] or "—"


def body(template: str, data: Mapping[str, Any]) -> str:
    return fill(template, data).strip()[:BODY]


def best(texts: Mapping[str, str], *languages: str) -> str:
    """The text in the first of these languages that there is, else English."""
    found = (texts.get(language.partition("-")[0]) for language in languages)
    return next((text for text in found if text is not None), texts.get("en", ""))


def page(text: str, language: str) -> str:
    """A plain text as HTML: its addresses become links, everything else is escaped."""
    paragraphs = (html.escape(p).replace("\n", "<br>") for p in text.split("\n\n"))
    linked = (
        re.sub(r"(https?://[^\s<&]+(?:&amp;[^\s<&]+)*)", r'<a href="\1">\1</a>', p)
        for p in paragraphs
    )
    side = "rtl" if language.startswith("ar") else "ltr"
    return (
        f'<!doctype html><html lang="{html.escape(language)}" dir="{side}"><meta charset="utf-8">'
        f'<body style="font:16px/1.6 system-ui,sans-serif">{"".join(f"<p>{p}</p>" for p in linked)}'
        "</body></html>"
    )


def written(
    notice: Notice,
    own: Texts,
    channel: Channel,
    languages: Sequence[str],
    words: Mapping[str, Any],
) -> tuple[str, str]:
    """Title and text for a channel: the company's own, else the shipped ones."""
    for language in languages:
        template = own.get((channel, language)) or own.get((channel, language.partition("-")[0]))
        if template is not None:
            return line(template.subject, words), body(template.body, words)
    shipped = notice.mail if channel is Channel.EMAIL and notice.mail else notice.text
    return (
        line(best(notice.title, *languages), words),
        body(best(shipped, *languages), words),
    )
