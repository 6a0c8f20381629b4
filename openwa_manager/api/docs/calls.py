"""Draws the description of the API as pages: one for each chapter, a call below the other."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from openwa_manager.api.docs.markdown import (
    ADDRESS,
    Heading,
    Section,
    anchor,
    code_block,
    draw,
    draw_line,
)
from openwa_manager.api.docs.openapi_model import Document, Media, OpenapiAnswer, OpenapiTag, Operation, Schema
from openwa_manager.api.docs.samples import curl_line
from openwa_manager.api.docs.shapes import Shapes, shape_id, short
from openwa_manager.domain.values import dataclass

#: The page with the chapters; each of those is below it.
NAME: Final = "api"
TITLE: Final = "HTTP API"
LEAD: Final = "Every call of the HTTP API: what it takes, what it answers, and a line for curl."
_FIRST: Final = """URL=http://127.0.0.1:2790
KEY=$(cat ~/.openwa-manager/admin.key)
curl -s "$URL/v1/sessions" -H "X-API-Key: $KEY"
"""
_ANY_CALL: Final = Heading(level=2, title="What any call may answer", slug="what-any-call-may-answer")
#: The chapters in the order in which they are needed; others come behind these.
_ORDER: Final = ("sessions", "pairing", "messages", "people", "events", "access", "host", "builds", "gateway", "engine")
#: A list that is longer is shown when it is wanted.
_LISTED_MAX: Final = 40
_SHAPES: Final = Heading(level=2, title="Shapes", slug="shapes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A page of calls: its name (`api/sessions`), its title, what it is about, its HTML and its places."""

    name: str
    title: str
    lead: str
    html: str
    sections: Sequence[Section]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    method: str
    path: str
    operation: Operation

    @property
    def heading(self) -> Heading:
        return Heading(level=2, title=f"{self.method} {self.path}", slug=self.operation.operation_id)


def chapters_of(document: Document, more: str = "") -> Sequence[Chapter]:
    """Return the page of the API, and behind it those of its chapters; `more` is HTML that leads on from the first."""
    calls = [
        _Call(method=method.upper(), path=path, operation=operation)
        for path, methods in document.paths.items()
        for method, operation in methods.items()
    ]
    common = _common(calls)
    shapes = Shapes(document.components.schemas)
    tags = sorted(document.tags, key=lambda tag: _ORDER.index(tag.name) if tag.name in _ORDER else len(_ORDER))
    by_tag = {tag: [call for call in calls if tag.name in call.operation.tags] for tag in tags}
    chapters = [
        Chapter(
            name=f"{NAME}/{tag.name}",
            title=f"{TITLE}: {tag.name}",
            lead=tag.description,
            html=_chapter(f"{TITLE}: {tag.name}", tag.description, by_tag[tag], shapes, common),
            sections=[Section(heading=call.heading, text=_about(call)) for call in by_tag[tag]],
        )
        for tag in tags
    ]
    return (_overview(document, by_tag, common, more), *chapters)


def _common(calls: Sequence[_Call]) -> Mapping[str, str]:
    """Return the statuses that every call may answer, and what they mean."""
    common = set(calls[0].operation.responses).intersection(*(call.operation.responses for call in calls))
    told = [call.operation.responses for call in calls]
    meanings = {status: max((each[status].description for each in told), key=len) for status in sorted(common)}
    return {status: meaning for status, meaning in meanings.items() if not status.startswith("2")}


def _overview(
    document: Document, by_tag: Mapping[OpenapiTag, Sequence[_Call]], common: Mapping[str, str], more: str
) -> Chapter:
    about = draw(f"# {TITLE}\n\n{document.info.description}", NAME, {})
    lists = "".join(_listed(tag, calls) for tag, calls in by_tag.items())
    rows = "".join(
        f'<tr><th scope="row">{status}</th><td>{draw_line(meaning)}</td></tr>' for status, meaning in common.items()
    )
    html = (
        f"{about.html}{code_block(_FIRST, 'sh')}"
        f'<p>The same for programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).{more}</p>'
        f"{_titled(_ANY_CALL)}{_statuses(rows)}{lists}"
    )
    section = Section(heading=Heading(level=1, title=TITLE, slug="http-api"), text=document.info.description)
    return Chapter(name=NAME, title=TITLE, lead=LEAD, html=html, sections=[section])


def _chapter(title: str, about: str, calls: Sequence[_Call], shapes: Shapes, common: Mapping[str, str]) -> str:
    drawn = "".join(_call(call, shapes, common) for call in calls)
    named = shapes.named_in(_schemas_of(calls))
    defined = "".join(_shape(name, shapes) for name in named)
    return (
        f"<h1>{escape(title)}</h1>\n<p>{draw_line(about)} "
        f'<a href="{ADDRESS}/{NAME}#{_ANY_CALL.slug}">{_ANY_CALL.title}</a> is told once for all.</p>\n{drawn}'
        + (f"{_titled(_SHAPES)}{defined}" if defined else "")
    )


def _call(call: _Call, shapes: Shapes, common: Mapping[str, str]) -> str:
    operation = call.operation
    identity = escape(operation.operation_id)
    parts = [
        f"<p>{draw_line(operation.description)}</p>",
        shapes.parameters(operation.parameters) if operation.parameters else "",
        _body(operation, shapes),
        code_block(curl_line(call.method, call.path, operation), "sh"),
        _answers(operation, shapes, common),
    ]
    return (
        f'<details class="call"><summary><h2>{_method(call.method)} <code>{escape(call.path)}</code></h2> '
        f"<span>{draw_line(operation.summary)}</span></summary>\n"
        f'<div id="{identity}" class="inside">{"".join(parts)}{anchor(call.heading)}</div></details>\n'
    )


def _body(operation: Operation, shapes: Shapes) -> str:
    if operation.body is None:
        return ""
    told: list[str] = []
    for kind, media in operation.body.content.items():
        schema = _schema(media, shapes)
        if schema is None:
            told.append(f"<p>{'Or a' if told else 'A'} body of the kind <code>{escape(kind)}</code>.</p>")
        else:
            about = draw_line((schema.description or "").replace("\n", " "))
            told.append(f"<p>{about}</p>{shapes.rule(schema)}{shapes.members(schema, is_body=True)}")
    return f"<h3>Body</h3>{''.join(told)}"


def _answers(operation: Operation, shapes: Shapes, common: Mapping[str, str]) -> str:
    told = {
        status: answer
        for status, answer in operation.responses.items()
        if status not in common or any(_is_ours(kind, media) for kind, media in answer.content.items())
    }
    rows = "".join(
        f'<tr><th scope="row">{escape(status)}</th><td>{draw_line(answer.description)}{_content(answer, shapes)}</td>'
        "</tr>"
        for status, answer in told.items()
    )
    return f"<h3>Answers</h3>{_statuses(rows)}"


def _is_ours(kind: str, media: Media) -> bool:
    """Tell whether an answer is one of this call alone, and no error."""
    return media.shape is None or (media.shape.name not in ("Problem", "OpenwaError") and "problem" not in kind)


def _content(answer: OpenapiAnswer, shapes: Shapes) -> str:
    told = [
        f"<code>{escape(kind)}</code>" if media.shape is None else shapes.words(media.shape)
        for kind, media in answer.content.items()
    ]
    return f": {', '.join(told)}" if told else ""


def _shape(name: str, shapes: Shapes) -> str:
    schema = shapes[name]
    about = draw_line((schema.description or "").replace("\n", " "))
    return (
        f'<details class="shape"><summary><h3>{escape(short(name))}</h3> <span>{about}</span></summary>\n'
        f'<div id="{shape_id(name)}" class="inside">{shapes.rule(schema)}{shapes.members(schema, is_body=True)}</div>'
        "</details>\n"
    )


def _schemas_of(calls: Sequence[_Call]) -> Iterator[Schema]:
    """Go through what the calls take and answer; a body stands in its call, so only what it consists of counts."""
    for call in calls:
        for answer in call.operation.responses.values():
            yield from (media.shape for media in answer.content.values() if media.shape is not None)
        bodies = call.operation.body.content.values() if call.operation.body else ()
        yield from (media.shape for media in bodies if media.shape is not None)


def _schema(media: Media, shapes: Shapes) -> Schema | None:
    return None if media.shape is None else (shapes[media.shape.name] if media.shape.name else media.shape)


def _about(call: _Call) -> str:
    names = " ".join(parameter.name for parameter in call.operation.parameters)
    return f"{call.operation.summary} {call.operation.description} {names}".replace("`", "").strip()


def _listed(tag: OpenapiTag, calls: Sequence[_Call]) -> str:
    rows = "".join(_row(tag.name, call) for call in calls)
    listed = f'<ul class="calls">{rows}</ul>'
    if len(calls) > _LISTED_MAX:
        listed = f"<details><summary>{len(calls)} calls</summary>{listed}</details>"
    title = f'<a href="{_address(tag.name)}">{escape(tag.name)}</a>'
    return f'<h2 id="{escape(tag.name)}">{title}</h2><p>{draw_line(tag.description)}</p>{listed}'


def _row(tag: str, call: _Call) -> str:
    link = f'<a href="{_address(tag)}#{escape(call.operation.operation_id)}">'
    shown = f"{_method(call.method)} <code>{escape(call.path)}</code>"
    return f"<li>{link}{shown}</a> {draw_line(call.operation.summary)}</li>"


def _address(tag: str) -> str:
    return f"{ADDRESS}/{NAME}/{escape(tag)}"


def _method(method: str) -> str:
    return f'<span class="method {escape(method.lower())}">{escape(method)}</span>'


def _titled(heading: Heading) -> str:
    return f'<div class="heading"><h2 id="{heading.slug}">{escape(heading.title)}</h2>{anchor(heading)}</div>\n'


def _statuses(rows: str) -> str:
    head = '<thead><tr><th scope="col">status</th><th scope="col">what it means</th></tr></thead>'
    return f'<div class="table"><table class="members">{head}<tbody>{rows}</tbody></table></div>\n'
