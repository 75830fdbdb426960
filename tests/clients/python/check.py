"""Verifies an issuer's tokens with Python libraries that know nothing about it.

    check.py CASES.json

Each library finds the keys by itself, over the issuer's real HTTP or HTTPS.
The cases file is described in ../README.md.
"""

import json
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import google.auth.transport.requests
import google.oauth2.id_token
import joserfc.errors
import jwt
import requests
from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import IDToken

OTHER_AUDIENCE = "https://someone-else.example"

Claims = Mapping[str, Any]
Refusal = Callable[[Exception], bool]


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: check.py CASES.json", file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    trust_only_the_issuers_ca(cases["ca_file"])

    passed = failed = 0
    for library in (pyjwt(cases), google_auth(cases), authlib(cases)):
        for name, problem in check(library, cases):
            if problem is None:
                passed += 1
                print(f"ok  {library.name}: {name}")
            else:
                failed += 1
                print(f"FAIL  {library.name}: {name}: {problem}")
    print(f"python clients: {passed} checks passed, {failed} failed")
    return 1 if failed else 0


def trust_only_the_issuers_ca(ca_file: str | None) -> None:
    # The issuer is on this machine: a proxy for the outside world cannot reach it.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    if ca_file is not None:
        # requests prefers this variable to a session's own setting, so a value that is already there has to go.
        os.environ["REQUESTS_CA_BUNDLE"] = ca_file


@dataclass(frozen=True)
class Library:
    """`verify(token, issuer, audience)` gives the claims or raises. Of its errors each refusal accepts only its own."""

    name: str
    verify: Callable[[str, str, str], Claims]
    wrong_audience: Refusal
    wrong_issuer: Refusal
    expired: Refusal
    tampered: Refusal


def check(library: Library, cases: Mapping[str, Any]):
    """Yields each case's name, and what is wrong with it or None."""
    tokens, audience = cases["tokens"], cases["audience"]

    def accepted() -> str | None:
        try:
            claims = library.verify(tokens["good"], cases["issuer"], audience)
        except Exception as error:
            return f"refused it: {describe(error)}"
        expected = {"iss": cases["issuer"], "aud": audience, "sub": cases["subject"]}
        found = {name: claims.get(name) for name in expected}
        return None if found == expected else f"expected {expected}, found {found}"

    def refused(token: str, expected_audience: str, is_right_reason: Refusal) -> str | None:
        try:
            library.verify(token, cases["issuer"], expected_audience)
        except Exception as error:
            return None if is_right_reason(error) else f"refused for another reason: {describe(error)}"
        return "accepted it"

    yield "accepts a good token and reads its claims", accepted()
    yield "refuses another audience", refused(tokens["good"], OTHER_AUDIENCE, library.wrong_audience)
    yield "refuses another issuer", refused(tokens["wrong_issuer"], audience, library.wrong_issuer)
    yield "refuses an expired token", refused(tokens["expired"], audience, library.expired)
    yield "refuses a tampered token", refused(tokens["tampered"], audience, library.tampered)


def pyjwt(cases: Mapping[str, Any]) -> Library:
    ssl_context = ssl.create_default_context(cafile=cases["ca_file"])

    def verify(token: str, issuer: str, audience: str) -> Claims:
        keys = jwt.PyJWKClient(discover(cases)["jwks_uri"], ssl_context=ssl_context)
        return jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["RS256"],
            issuer=issuer,
            audience=audience,
            options={"require": ["iss", "aud", "sub", "exp", "iat", "nbf", "jti"]},
        )

    return Library(
        f"PyJWT {version('PyJWT')}",
        verify,
        wrong_audience=is_a(jwt.InvalidAudienceError),
        wrong_issuer=is_a(jwt.InvalidIssuerError),
        expired=is_a(jwt.ExpiredSignatureError),
        tampered=is_a(jwt.InvalidSignatureError),
    )


class WrongIssuer(Exception):
    pass


def google_auth(cases: Mapping[str, Any]) -> Library:
    def verify(token: str, issuer: str, audience: str) -> Claims:
        # Given a JWK set, verify_token hands over to PyJWT: the errors are PyJWT's, and clock_skew_in_seconds
        # is dropped, so what is checked here is the strictest reading of nbf, iat and exp.
        claims = google.oauth2.id_token.verify_token(
            token,
            google.auth.transport.requests.Request(),
            audience=audience,
            certs_url=discover(cases)["jwks_uri"],
        )
        # verify_token leaves the issuer to its caller; google-auth's own verify_oauth2_token checks it like this.
        if claims["iss"] != issuer:
            raise WrongIssuer(claims["iss"])
        return claims

    return Library(
        f"google-auth {version('google-auth')}",
        verify,
        wrong_audience=is_a(jwt.InvalidAudienceError),
        wrong_issuer=is_a(WrongIssuer),
        expired=is_a(jwt.ExpiredSignatureError),
        tampered=is_a(jwt.InvalidSignatureError),
    )


class AuthlibClient(OAuth2Mixin, OpenIDMixin, BaseApp):
    """What Authlib's own web framework clients are made of, less the framework."""

    client_cls = OAuth2Session


def authlib(cases: Mapping[str, Any]) -> Library:
    def verify(token: str, issuer: str, audience: str) -> Claims:
        client = AuthlibClient(framework=None, client_id=audience, server_metadata_url=discovery_url(cases))
        return client.parse_id_token(
            {"id_token": token},
            nonce=None,
            # The default is for a browser's login and wants a nonce.
            claims_cls=IDToken,
            claims_options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": audience},
            },
        )

    # Authlib leaves JOSE to joserfc (its own authlib.jose is deprecated), so the errors are joserfc's.
    return Library(
        f"Authlib {version('Authlib')} with joserfc {version('joserfc')}",
        verify,
        wrong_audience=is_invalid_claim("aud"),
        wrong_issuer=is_invalid_claim("iss"),
        expired=is_a(joserfc.errors.ExpiredTokenError),
        tampered=is_a(joserfc.errors.BadSignatureError),
    )


def discovery_url(cases: Mapping[str, Any]) -> str:
    return cases["issuer"] + "/.well-known/openid-configuration"


def discover(cases: Mapping[str, Any]) -> Mapping[str, Any]:
    response = requests.get(discovery_url(cases), timeout=10)
    response.raise_for_status()
    return response.json()


def is_a(kind: type[Exception]) -> Refusal:
    return lambda error: isinstance(error, kind)


def is_invalid_claim(claim: str) -> Refusal:
    return lambda error: isinstance(error, joserfc.errors.InvalidClaimError) and error.claim == claim


def describe(error: Exception) -> str:
    # One short line: some libraries repeat a whole token in their message.
    return f"{type(error).__module__}.{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"


if __name__ == "__main__":
    sys.exit(main())
