"""The OpenAPI document and the metrics: of a valid form, and true."""

from __future__ import annotations

import re
from typing import Any

from serving import multipart, picture


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Any = document
    for key in schema["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def faults(document, schema, value, where="answer"):
    """What of a value is not as a schema says; the words that this document uses."""
    schema = resolved(document, schema)
    kinds = {"string": str, "integer": int, "array": list, "object": dict, "null": type(None)}
    kinds |= {"number": (int, float), "boolean": bool}
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, kinds[kind]) for kind in wanted):
        yield f"{where}: {value!r} is no {wanted}"
    elif isinstance(value, dict) and "properties" in schema:
        yield from (f"{where}: lacks {key}" for key in set(schema["required"]) - value.keys())
        yield from (f"{where}: has {key}" for key in value.keys() - schema["properties"].keys())
        for key in value.keys() & schema["properties"].keys():
            yield from faults(document, schema["properties"][key], value[key], f"{where}.{key}")
    elif isinstance(value, list):
        for one in value:
            yield from faults(document, schema["items"], one, f"{where}[]")
    elif "maximum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        yield f"{where}: {value} is out of range"


def check(serving, path, answer, method="get"):
    document = serving.ask("/openapi.json").json
    told = document["paths"][path][method]["responses"][str(answer.status)]
    (kind,) = told["content"]
    assert answer.headers["content-type"].startswith(kind)
    if kind == "application/json":
        schema = told["content"][kind]["schema"]
        assert list(faults(document, schema, answer.json)) == []


def test_answers_are_as_the_document_says(serving):
    for path in ("/health", "/model", "/metrics"):
        answer = serving.ask(path)
        assert answer.status == 200
        check(serving, path, answer)
    posts = [
        serving.ask("/predict?top_k=2", *multipart(("a.png", picture()), ("b", b"no"))),
        serving.ask("/predict", picture()),
        serving.ask("/predict", b"no picture"),
        serving.ask("/predict", b""),
        serving.ask("/predict", picture(), {"Host": "evil.org"}),
        serving.ask("/predict", picture(size=(300, 300))),
    ]
    assert [answer.status for answer in posts] == [200, 200, 415, 400, 421, 413]
    for answer in posts:
        check(serving, "/predict", answer, "post")
    explained = serving.ask("/explain", picture())
    assert explained.status == 200
    check(serving, "/explain", explained, "post")


def test_the_document_can_be_wrong():
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert list(faults({}, schema, {"a": "b"})) == []
    assert list(faults({}, schema, {"a": 1})) == ["answer.a: 1 is no ['string']"]
    assert list(faults({}, schema, {"b": 1})) == ["answer: lacks a", "answer: has b"]


SAMPLE = re.compile(
    r"([a-zA-Z_:][\w:]*)(?:\{(?:[a-zA-Z_]\w*=\"(?:[^\"\\\n]|\\[\\\"n])*\"(?:,(?=[^}])|(?=\})))*\})?"
    r" (?:[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|[-+]Inf|NaN)"
)


def test_the_metrics_are_of_prometheus_form(serving):
    serving.ask("/predict", picture())
    answer = serving.ask("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    types: dict[str, str] = {}
    for line in answer.body.decode().removesuffix("\n").split("\n"):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types
            types[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            name = re.sub(r"_(bucket|sum|count)$", "", match[1])
            assert types.get(name) == "histogram" or types[match[1]] in ("counter", "gauge")


def test_buckets_are_cumulated(serve):
    serving = serve()
    for _ in range(3):
        serving.ask("/predict", picture())
    text = serving.ask("/metrics").body.decode()
    found = [int(n) for n in re.findall(r'nncore_batch_pictures_bucket\{le="[^"]*"\} (\d+)', text)]
    assert found == [3] * 6
    assert serving.metric("nncore_request_seconds_count") >= 3
