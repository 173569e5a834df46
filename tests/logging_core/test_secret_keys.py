"""Which keys name a secret, and which only look like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logging_core.redaction.secret_keys import DEFAULT_KEYS, SecretKeys

SECRET = """
password Password PASSWORD pass_word userPassword db-password dbpassword PGPASSWORD password2 new_password1 passwordHash
token_value passwd mysql_pwd pwd DB_PWD passphrase
secret SECRET_KEY secretKeyBase client_secret clientsecret appSecret aws_secret_access_key secrets
token access_token accessToken refresh-token id_token csrfmiddlewaretoken X-Auth-Token authenticity_token TOKEN
api_key apikey apiKey API-KEY X-Api-Key x_api_key openai_api_key OPENAIAPIKEY
authorization Authorization HTTP_AUTHORIZATION Proxy-Authorization
cookie Cookie set-cookie Set-Cookie setCookie cookies HTTP_COOKIE
session_id sessionid sessionId session-key JSESSIONID PHPSESSID
private_key privateKey ssh_private_key access_key access-key AccountKey SharedAccessKey signing_key
credential credentials gcp_credentials
csrf csrf_token xsrf X-XSRF-TOKEN csrfToken
card_number cardNumber credit_card cvv cvv2 cvc CVC ssn SSN user_ssn otp
user.password user[password] form:api_key 密码 用户密码 user密码
"""

HARMLESS = """
token_count max_tokens tokens_used tokens total_tokens prompt_tokens token_type token_expires_at tokenizer tokenType
author authority authored_by auth_method oauth_provider
key keys keyboard primary_key cache_key public_key monkey partition_key
secretary secretariat secret_name password_length password_changed_at password_reset passwordless cookie_name
cookie_domain session sessions session_count session_duration cookiecutter
card cardinality dashboard_card card_type cardiogram discard_count credit debit
pin pinned spinning ping shipping
message level status_code duration_ms user_id request_id trace_id path method endpoint
classname missing lesson profession expression obsession_count 密度 用户
"""


@pytest.mark.parametrize("key", SECRET.split())
def test_a_key_that_names_a_secret(key: str) -> None:
    assert SecretKeys(DEFAULT_KEYS).is_secret(key)


@pytest.mark.parametrize("key", HARMLESS.split())
def test_a_key_that_only_looks_like_it(key: str) -> None:
    assert not SecretKeys(DEFAULT_KEYS).is_secret(key)


def test_names_of_ones_own_and_keys_that_are_allowed() -> None:
    keys = SecretKeys((*DEFAULT_KEYS, "iban", "token count"), allow=("session_id", "X-Token"))
    assert keys.is_secret("customerIban")  # a word of its own
    assert not keys.is_secret("caliban")  # four letters do not end a word
    assert keys.is_secret("token_count")  # what is named wins over what is known of properties
    assert not keys.is_secret("SessionId")
    assert not keys.is_secret("x_token")
    assert keys.is_secret("old_session_id")  # the whole key is allowed, and no other


@pytest.mark.parametrize("name", ["", "  ", "a:b", "user[x]", 5, None])
def test_a_name_that_is_none(name: object) -> None:
    with pytest.raises(ValueError, match="key's name"):
        SecretKeys([name])  # type: ignore[list-item]


@given(st.lists(st.text(max_size=30), max_size=40))
def test_any_key_has_one_verdict(keys: list[str]) -> None:
    secrets = SecretKeys(DEFAULT_KEYS)
    assert [secrets.is_secret(key) for key in keys] == [secrets.is_secret(key) for key in keys]


def test_verdicts_are_bounded() -> None:
    keys = SecretKeys(DEFAULT_KEYS)
    for number in range(10_000):
        keys.is_secret(f"field_{number}")
    assert len(keys._verdicts) < 5000
