"""A secret shows a mask wherever values are shown, and cannot be written anywhere else."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import io
import json
import logging
import pickle
import pprint
import string
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opbx_cli.models import Secret
from opbx_cli.settings.table import Settings

# Starts with letters that no mask, type name or fingerprint has, so that a find is a find.
VALUES = st.text(min_size=1).map(lambda text: f"ZQ~{text}")
KEYS = st.text(string.ascii_letters + string.digits, max_size=60).map(lambda text: f"ZQ~{text}")


def shown(secret: Secret) -> list[str]:
    settings = Settings(domain_api_key=secret, webhook_api_key=secret)
    log = io.StringIO()
    logger = logging.getLogger("test_secret")
    logger.handlers = [logging.StreamHandler(log)]
    logger.propagate = False
    logger.warning("%s %r %s", secret, secret, settings)
    return [
        repr(secret),
        str(secret),
        ascii(secret),
        f"{secret}{secret!r}{secret!s}{secret!a}{secret:>60}",
        "{} {!r}".format(secret, secret),  # noqa: UP032  # the method is another way in
        "%s %r %a" % (secret, secret, secret),  # noqa: UP031
        format(secret, "^80"),
        string.Template("$key").substitute(key=secret),
        repr([secret, {"key": secret}]),
        pprint.pformat({"key": [secret]}),
        repr(settings),
        repr(dataclasses.asdict(settings)),
        repr(copy.copy(secret)),
        repr(copy.deepcopy(settings)),
        repr(dataclasses.replace(settings, domain_uuid="x")),
        json.dumps({"key": secret}, default=str),
        repr(dir(secret)),
        repr(secret.reveal),
        log.getvalue(),
        secret.mask,
        secret.fingerprint,
    ]


@given(VALUES)
def test_the_value_is_shown_nowhere(value: str) -> None:
    for text in shown(Secret(value)):
        assert value not in text
        assert "ZQ~" not in text or len(value) < 8


@given(VALUES)
def test_the_value_cannot_be_stored_by_accident(value: str) -> None:
    secret = Secret(value)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError) as refusal:
            pickle.dumps(secret, protocol)
        assert value not in str(refusal.value)
    with pytest.raises(TypeError) as refusal:
        pickle.dumps(Settings(domain_api_key=secret))
    assert value not in str(refusal.value)
    with pytest.raises(TypeError) as refusal:
        json.dumps({"key": secret})
    assert value not in str(refusal.value)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError):
        hash(secret)


def test_a_traceback_with_local_variables_does_not_show_the_value() -> None:
    secret = Secret("ZQ~in-a-local-variable-0123456789")
    try:
        raise ValueError(secret)
    except ValueError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    assert "in-a-local-variable" not in "".join(lines).replace(
        'secret = Secret("ZQ~in-a-local-variable-0123456789")', ""
    )


@given(KEYS)
def test_the_mask_has_four_characters_only_of_24_or_more(value: str) -> None:
    expected = "*" * 12 + (value[-4:] if len(value) >= 24 else "")
    assert Secret(value).mask == expected


@given(KEYS)
def test_the_fingerprint_is_as_documented(value: str) -> None:
    digest = hashlib.sha256(b"opbx-fp-v1\0" + value.encode()).hexdigest()
    assert Secret(value).fingerprint == f"fp:{digest[:8]}"


@given(VALUES, VALUES)
def test_secrets_are_equal_when_their_values_are(one: str, other: str) -> None:
    assert Secret(one) == Secret(one)
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) != one


def test_a_value_that_no_encoding_takes_is_still_a_secret() -> None:
    """JSON from afar may hold half a surrogate pair."""
    secret = Secret("ZQ~\ud800")
    assert secret == Secret("ZQ~\ud800")
    assert secret != Secret("ZQ~?")
    assert secret.fingerprint.startswith("fp:")
    assert repr(secret) == "Secret('************')"


@given(VALUES)
def test_a_copy_is_the_secret_itself(value: str) -> None:
    secret = Secret(value)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert secret.reveal() == value


@pytest.mark.parametrize(
    ("secret", "mask", "label"),
    [
        (Secret("a-random-webhook-key-0123"), "************0123", None),
        (Secret("a-short-webhook-key"), "************", "a short key"),
        (Secret("a-password-of-24-letters-or-more", is_chosen=True), "************", "a short key"),
    ],
)
def test_what_a_person_may_have_chosen_shows_neither_end_nor_hash(
    secret: Secret, mask: str, label: str | None
) -> None:
    assert secret.mask == mask
    assert secret.label == (label or secret.fingerprint)
