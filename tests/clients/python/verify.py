"""Verifies tokens with PyJWT, one after another, for as long as standard input lasts.

    verify.py ISSUER AUDIENCE DIVISOR

A line is a number and a token; the answer is the number and `ok`, or the number, `refused` and why. One
PyJWKClient lives through all of it, with the library's own times divided by DIVISOR.
"""

import inspect
import json
import sys
import urllib.request

import jwt


def main() -> int:
    issuer, audience, divisor = sys.argv[1], sys.argv[2], float(sys.argv[3])
    with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=10) as answer:
        jwks_uri = json.load(answer)["jwks_uri"]
    usual = inspect.signature(jwt.PyJWKClient).parameters
    scaled = {name: usual[name].default / divisor for name in ("lifespan", "cooldown_duration")}
    keys = jwt.PyJWKClient(jwks_uri, timeout=5, **scaled)

    print("ready", flush=True)
    for line in sys.stdin:
        number, token = line.split()
        try:
            verify(token, keys, issuer, audience)
        except Exception as error:
            print(f"{number} refused {type(error).__name__}: {' '.join(str(error).split())}", flush=True)
        else:
            print(f"{number} ok", flush=True)
    return 0


def verify(token: str, keys: jwt.PyJWKClient, issuer: str, audience: str) -> None:
    jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["RS256"],
        issuer=issuer,
        audience=audience,
        options={"require": ["iss", "aud", "sub", "exp", "iat", "nbf", "jti"]},
    )


if __name__ == "__main__":
    sys.exit(main())
