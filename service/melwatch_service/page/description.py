"""The API described as OpenAPI, for programs that generate clients or try it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from melwatch.version import __version__
from melwatch_service.page.facts import STATES
from melwatch_service.page.questions import LARGEST, MOST_TEXT, PROBLEMS, SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_MAYBE_COUNT = {"type": ["integer", "null"], "minimum": 0}
_SECONDS = {"type": "number", "minimum": 0}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}
_PAGE = {"type": "integer", "minimum": 1, "maximum": LARGEST}


def _object(optional: Sequence[str] = (), /, **properties: Any) -> dict[str, Any]:  # noqa: ANN401  schemas
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_TRACK = {"id": _COUNT, "path": _TEXT, "genre": _MAYBE_TEXT, "split": _MAYBE_TEXT, "state": {"enum": [*STATES]}}
_TAGS = {"title": _TEXT, "artist": _TEXT, "album": _TEXT}
_STATUS = _object(
    state=_TEXT, sentence=_TEXT, pid=_MAYBE_COUNT, page=_MAYBE_TEXT, watching=_MAYBE_TEXT,
    recipe_change={"type": ["object", "null"]}, event_overflows=_COUNT, progress={"type": ["object", "null"]},
    unsettled=_list({"type": "object"}), unsettled_files=_COUNT, held_deletions=_COUNT,
    version=_MAYBE_COUNT, fingerprint=_MAYBE_TEXT, published_at=_MAYBE_TEXT, next_publish_at=_MAYBE_TEXT,
    complete={"type": ["boolean", "null"]}, music=_TEXT, dataset=_TEXT,
    tracks=_object(ready=_COUNT, pending=_COUNT, failed=_COUNT, excluded=_COUNT),
    genres=_COUNTS, waiting=_COUNTS, under_represented=_list(_TEXT), over_represented=_list(_TEXT),
    last_pass={"type": "object"},
)  # fmt: skip
_SCHEMAS = {
    "Status": _STATUS,
    "Overview": _object(
        status={"$ref": "#/components/schemas/Status"},
        needs=_list(_object(what=_TEXT, hint=_TEXT, action=_TEXT)),
        paused=_MAYBE_TEXT,
        space=_object(free_bytes=_MAYBE_COUNT, dataset_bytes=_COUNT, reader_cache_bytes=_COUNT),
        activity=_list({"type": "object"}),
    ),
    "Genres": _object(
        genres=_list(_object(genre=_TEXT, tracks=_COUNT, mark=_TEXT, splits=_COUNTS)),
        under_below=_SECONDS, over_above=_SECONDS, min_tracks_per_genre=_COUNT, shares={"type": "object"},
    ),
    "Tracks": _object(
        tracks=_list(_object(**_TRACK, reason=_TEXT, **_TAGS)),
        total=_COUNT, page=_PAGE, pages=_PAGE, known_genres=_list(_TEXT),
    ),
    "Track": _object(
        **_TRACK, **_TAGS, **{"class": _MAYBE_COUNT}, reason=_TEXT, sentence=_TEXT, audio_id=_MAYBE_TEXT,
        duration_s={"type": ["number", "null"]}, windows_start_s=_list(_SECONDS), window_s=_SECONDS,
        same_sound=_list({"type": "object"}), history=_list(_object(at=_TEXT, what=_TEXT)),
    ),
    "Problems": _object(
        kind={"enum": [*PROBLEMS]}, counts=_COUNTS, rows=_list({"type": "object"}), page=_PAGE, pages=_PAGE
    ),
    "Versions": _object(versions=_list({"type": "object"}), total=_COUNT),
    "Difference": _object(before=_COUNT, after=_COUNT, counts=_COUNTS),
    "Answer": _object(("request",), request=_COUNT, answer=_TEXT),
    "Token": _object(token=_TEXT),
    "Refusal": _object(what=_TEXT, hint=_TEXT),
}  # fmt: skip


def described(actions: Sequence[str]) -> dict[str, Any]:
    """Return the OpenAPI description."""
    page = _parameter("page", "query", _PAGE)
    version = _parameter("version", "path", _PAGE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "melwatch",
            "version": __version__,
            "description": (
                "What the status page shows, as JSON, with the fields of `melwatch status --json`. "
                "A POST needs the token of /api/token in the header X-Melwatch-Token, or the key, where one is "
                "configured, as `Authorization: Bearer KEY`."
            ),
        },
        "paths": {
            "/api/status": _get("What `melwatch status --json` says.", "Status"),
            "/api/overview": _get("The same, with what needs a person, space and recent passes.", "Overview"),
            "/api/genres": _get("Songs per genre and split.", "Genres"),
            "/api/tracks": _get(
                "Tracks that fit, 50 a page.",
                "Tracks",
                [
                    _parameter("q", "query", {"type": "string", "maxLength": MOST_TEXT}),
                    _parameter("genre", "query", {"type": "string", "maxLength": MOST_TEXT}),
                    _parameter("split", "query", {"enum": [*SPLITS]}),
                    _parameter("state", "query", {"enum": [*STATES]}),
                    page,
                ],
                (400,),
            ),
            "/api/tracks/{track}": _get("One track.", "Track", [_parameter("track", "path", _COUNT)], (404,)),
            "/api/problems": _get(
                "What is not as it should be, 50 a page.",
                "Problems",
                [_parameter("kind", "query", {"enum": [*PROBLEMS]}), page],
                (400,),
            ),
            "/api/versions": _get("The versions on disk, newest first.", "Versions"),
            "/api/diff": _get(
                "What differs between two versions; lists are cut, counts are whole.",
                "Difference",
                [_parameter(name, "query", _PAGE, is_required=True) for name in ("before", "after")],
                (400, 404),
            ),
            "/api/token": _get("What a POST has to bring along.", "Token"),
            "/api/actions/{action}": _post(
                "Ask the daemon for something.",
                [_parameter("action", "path", {"enum": [*actions]})],
                {
                    "for": {"type": "string", "description": "How long a pause lasts: 30m, 2h, 1d."},
                    "track": {"type": "string", "description": "The id of the one track to retry."},
                },
            ),
            "/api/versions/{version}/{what}": _post(
                "Keep a version until it is unpinned.",
                [version, _parameter("what", "path", {"enum": ["pin", "unpin"]})],
            ),
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Melwatch-Token"},
                "key": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _parameter(name: str, place: str, schema: dict[str, Any], *, is_required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": place, "required": is_required or place == "path", "schema": schema}


def _answers(schema: str, refusals: Sequence[int]) -> dict[str, Any]:
    def answer(name: str, description: str) -> dict[str, Any]:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        return {"description": description, "content": content}

    return {"200": answer(schema, "So it is.")} | {
        str(status): answer("Refusal", "What was not done, and why.") for status in (401, 403, *refusals, 503)
    }


def _get(
    summary: str, schema: str, parameters: Sequence[dict[str, Any]] = (), refusals: Sequence[int] = ()
) -> dict[str, Any]:
    return {"get": {"summary": summary, "parameters": [*parameters], "responses": _answers(schema, refusals)}}


def _post(
    summary: str, parameters: Sequence[dict[str, Any]], fields: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "parameters": [*parameters],
        "security": [{"token": []}, {"key": []}],
        "responses": _answers("Answer", (400, 404, 413)),
    }
    if fields:
        schema = {"type": "object", "properties": fields}
        kinds = ("application/json", "application/x-www-form-urlencoded")
        operation["requestBody"] = {"content": {kind: {"schema": schema} for kind in kinds}}
    return {"post": operation}
