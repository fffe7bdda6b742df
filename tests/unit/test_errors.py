"""Exit codes are a promise to scripts; errors travel between processes."""

from __future__ import annotations

import pickle

import pytest

from labelmill import errors

EXIT_CODES = {
    "LabelmillError": 1,
    "InputError": 2,
    "UnknownName": 2,
    "ImageError": 2,
    "NoData": 3,
    "StoreError": 4,
    "StoreUnreachable": 4,
    "ScannerExpired": 4,
    "SchemaMismatch": 4,
    "RowsRefused": 4,
    "MissingRow": 4,
    "BusError": 5,
    "BusUnreachable": 5,
    "UnknownTopic": 5,
    "EnvelopeError": 5,
    "ArtifactError": 6,
    "QueryRefused": 7,
    "NotAccepted": 8,
    "ClusterError": 9,
    "AllFailed": 10,
}

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.LabelmillError)
]


def test_every_error_has_the_documented_exit_code() -> None:
    assert {c.__name__: c.exit_code for c in CLASSES} == EXIT_CODES


def test_the_tree_is_in_the_docstring() -> None:
    assert errors.__doc__ is not None
    assert [name for name in EXIT_CODES if name not in errors.__doc__] == []


def _example(kind: type[errors.LabelmillError]) -> errors.LabelmillError:
    if kind is errors.UnknownName:
        return errors.UnknownName("family", "softmx", ["softmax", "mlp"])
    if kind in (errors.EnvelopeError, errors.ImageError):
        return kind("truncated", "3 bytes are missing")
    return kind("what happened")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_errors_survive_the_way_from_an_executor(kind: type[errors.LabelmillError]) -> None:
    error = _example(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_an_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(LookupError, match=r"unknown family 'softmx'.*mlp, softmax.*'softmax'\?"):
        raise errors.UnknownName("family", "softmx", ["softmax", "mlp"])


def test_an_unknown_name_without_a_near_one_suggests_nothing() -> None:
    assert "Did you mean" not in str(errors.UnknownName("family", "zzz", ["softmax", "mlp"]))


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InputError, ValueError),
        (errors.StoreUnreachable, ConnectionError),
        (errors.BusUnreachable, ConnectionError),
        (errors.QueryRefused, PermissionError),
        (errors.MissingRow, LookupError),
    ],
)
def test_errors_refine_the_builtin_a_caller_would_catch(
    kind: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(kind, builtin)
