"""The API in writing: an OpenAPI 3.1 document, for programs that make clients of it."""

from __future__ import annotations

from typing import Any

from nncore._core import __version__
from nncore.serve.limits import Limits

Schema = dict[str, Any]


def document(limits: Limits) -> Schema:
    """What `GET /openapi.json` answers."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nncore serve",
            "version": __version__,
            "description": "Names what is on pictures.",
        },
        "paths": {
            "/predict": {"post": _predict(limits)},
            "/explain": {"post": _explain()},
            "/health": {"get": _get("Whether pictures are answered.", "Health", needs_token=False)},
            "/model": {"get": _get("The model that answers, and its limits.", "Model")},
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _predict(limits: Limits) -> Schema:
    return {
        "operationId": "predict",
        "summary": "The most probable classes of one picture or of several.",
        "description": (
            "The body is a picture, or multipart with any field names and one or many files. "
            f"Up to {limits.body:,} bytes, {limits.parts} pictures, and {limits.pixels:,} pixels "
            "each. The answer is what `nncore predict --json` prints. Pictures that cannot be "
            "read stand in `skipped`; only if no picture is left it is an error."
        ),
        "parameters": [
            {
                "name": "top_k",
                "in": "query",
                "description": "How many classes to list, from 1 to all.",
                "schema": {"type": "integer", "minimum": 1, "default": 1},
            },
            {
                "name": "coverage",
                "in": "query",
                "description": (
                    "Give the set of classes that holds the true one with at least this "
                    "probability, for pictures like those that the model was calibrated on."
                ),
                "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            },
        ],
        "requestBody": _PICTURES,
        "responses": {"200": _answer("The predictions.", "Predictions"), **_refusals()},
        "security": [{"token": []}, {}],
    }


def _explain() -> Schema:
    return {
        "operationId": "explain",
        "summary": "Where the model looked: a picture under its heat map.",
        "description": "The body is one picture, as for /predict.",
        "parameters": [
            {
                "name": "label",
                "in": "query",
                "description": "The class to explain; by default the most probable one.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": _PICTURES,
        "responses": {
            "200": {
                "description": "A PNG as large as the pictures that the model sees.",
                "content": {"image/png": {}},
            },
            **_refusals(),
        },
        "security": [{"token": []}, {}],
    }


def _refusals() -> Schema:
    """Of requests with a body."""
    return {
        **{
            str(status): _answer(text, "Error")
            for status, text in (
                (400, "The query, the multipart body or the host is not valid."),
                (401, "A token is needed."),
                (403, "A page of another server asks."),
                (408, "The body did not come in time."),
                (413, "Too many bytes, pictures or pixels."),
                (415, "Not a picture."),
                (421, "The server is not called so."),
                (422, "A picture that is damaged."),
            )
        },
        "503": {
            **_answer("Too much to do: try again.", "Error"),
            "headers": {"Retry-After": {"schema": {"type": "integer"}}},
        },
    }


def _get(summary: str, schema: str, needs_token: bool = True) -> Schema:
    responses = {"200": _answer("As asked.", schema), "400": _answer("No valid host.", "Error")}
    if needs_token:
        responses["401"] = _answer("A token is needed.", "Error")
    responses["403"] = _answer("A page of another server asks.", "Error")
    responses["421"] = _answer("The server is not called so.", "Error")
    if schema == "Health":
        responses["503"] = _answer("No picture is answered.", "Health")
    return {
        "operationId": schema.lower(),
        "summary": summary,
        "responses": responses,
        "security": [{"token": []}, {}] if needs_token else [{}],
    }


def _metrics() -> Schema:
    operation = _get("Counts in Prometheus's text form.", "Error")
    operation["operationId"] = "metrics"
    operation["responses"]["200"] = {
        "description": "As asked.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return operation


def _answer(description: str, schema: str) -> Schema:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_PICTURES = {
    "required": True,
    "content": {
        "image/*": {},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "additionalProperties": {
                    "type": "string",
                    "contentMediaType": "application/octet-stream",
                },
            }
        },
    },
}
_TEXT = {"type": "string"}
_NAME = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_SKIPPED = _object(path=_TEXT, reason=_TEXT, kind=_TEXT)
_PREDICTION = _object(
    path=_NAME,
    label=_TEXT,
    probability=_PROBABILITY,
    top=_list(_object(label=_TEXT, probability=_PROBABILITY)),
    set={"type": ["array", "null"], "items": _TEXT},
    unknown={"type": ["boolean", "null"]},
    unknown_score={"type": ["number", "null"]},
)
_SCHEMAS: Schema = {
    "Predictions": _object(predictions=_list(_PREDICTION), skipped=_list(_SKIPPED)),
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": _TEXT,
            "predictions": _list(_PREDICTION),
            "skipped": _list(_SKIPPED),
        },
    },
    "Health": _object(status=_TEXT),
    "Model": _object(
        name=_TEXT,
        file=_NAME,
        opened={"type": "string", "format": "date-time"},
        classes=_list(_TEXT),
        input_shape=_list(_COUNT),
        parameters=_COUNT,
        preprocessing={"type": "object"},
        temperature={"type": "number"},
        largest_coverage={"type": ["number", "null"]},
        limits=_object(body=_COUNT, pixels=_COUNT, parts=_COUNT),
        version=_TEXT,
    ),
}
