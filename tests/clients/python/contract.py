"""Tests a running server against the openapi.yaml that it serves, with Schemathesis.

    RUNMINT_ACCESS_TOKEN=… contract.py BASE_URL

The access token is one of role admin: what a smaller role may not do could not be tested. RUNMINT_CA_FILE names the
CA of a server with a private one. Use a server to throw away, for this leaves organizations, runs and tokens behind.
How Schemathesis is set up is in schemathesis.toml, beside this file.
"""

import os
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import schemathesis
import schemathesis.cli
import yaml

SETTINGS = Path(__file__).with_name("schemathesis.toml")
# The examples in openapi.yaml are about this organization.
ORGANIZATION = "acme"
DEPLOYMENT = {"service": "deploy", "attributes": {"project": "website", "stack": "staging", "operation": "update"}}
PAGE_LIMIT = 200
ALWAYS_REFUSED = {
    # A key is published for a day before it may sign.
    "POST /api/keys/rotate",
    # The issuers here have a key set that was given, so that the test asks nobody else: they have no certificate.
    "POST /api/orgs/{org}/oidc/issuers/{id}/regenerate-thumbprints",
}
UNKNOWN = {"org": "no-such-organization", "id": "00000000-0000-4000-8000-000000000000", "name": "nobody"}


def main() -> int:
    if len(sys.argv) != 2 or "RUNMINT_ACCESS_TOKEN" not in os.environ:
        print("usage: RUNMINT_ACCESS_TOKEN=… contract.py BASE_URL", file=sys.stderr)
        return 2
    api = Api(sys.argv[1].rstrip("/"), os.environ["RUNMINT_ACCESS_TOKEN"], os.environ.get("RUNMINT_CA_FILE"))
    steer(prepare(api))
    answered_well = watch_for_success()

    passed = run_schemathesis(api)

    for operation in sorted(documented_operations(api) - answered_well - ALWAYS_REFUSED):
        # All its answers fit the document, but an error fits as well as anything: nothing was tested.
        passed = False
        print(f"FAIL  contract: {operation} never succeeded")
    if api.get(f"/api/runs/{os.environ['CONTRACT_RUN_ID']}")["state"] != "active":
        passed = False
        print("FAIL  contract: the test ended the run that it needed")
    print("contract: passed" if passed else "contract: failed")
    return 0 if passed else 1


class Api:
    def __init__(self, base_url: str, access_token: str, ca_file: str | None):
        # The server is on this machine: a proxy for the outside world cannot reach it.
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
        if ca_file:
            # requests, which Schemathesis uses too, prefers this variable to every other setting.
            os.environ["REQUESTS_CA_BUNDLE"] = ca_file
        self.base_url = base_url
        self.ca_file = ca_file
        self.headers = {"Authorization": f"Bearer {access_token}"}

    def get(self, path: str) -> Any:
        return self._send("GET", path).json()

    def post(self, path: str, body: Any) -> Any:
        return self._send("POST", path, json=body).json()

    def patch(self, path: str, body: Any) -> Any:
        return self._send("PATCH", path, json=body).json()

    def mint(self, run: dict[str, str], audience: str) -> str:
        query = {"audience": audience}
        headers = {"Authorization": f"Bearer {run['request_token']}"}
        return requests.get(run["request_url"], params=query, headers=headers, timeout=30).json()["value"]

    def text(self, path: str) -> str:
        return self._send("GET", path).text

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        response = requests.request(method, self.base_url + path, headers=self.headers, timeout=30, **options)
        if not response.ok:
            sys.exit(f"contract: {method} {path} answered {response.status_code}: {response.text}")
        return response


@dataclass(frozen=True)
class Surroundings:
    """`keep` are names and ids that have to outlive the test; `real` are path parameters that exist, and `bodies` such
    as succeed, by operation."""

    keep: set[str]
    real: dict[str, dict[str, str]]
    bodies: dict[str, Any]


def prepare(api: Api) -> Surroundings:
    organizations = {entry["name"] for entry in api.get(f"/api/orgs?limit={PAGE_LIMIT}")["organizations"]}
    if ORGANIZATION not in organizations:
        organizations.add(api.post("/api/orgs", {"name": ORGANIZATION})["name"])
    # One of these is the token in use; which one, only the server knows.
    tokens = {entry["id"] for entry in api.get(f"/api/access-tokens?limit={PAGE_LIMIT}")["access_tokens"]}

    def new_run() -> dict[str, str]:
        return api.post(f"/api/orgs/{ORGANIZATION}/runs", DEPLOYMENT)

    def new_token_id() -> str:
        return api.post(f"/api/orgs/{ORGANIZATION}/access-tokens", {"name": "spare", "role": "viewer"})["id"]

    def new_verifier_id() -> str:
        return api.post("/api/snapshot-verifiers", {"name": f"spare-{uuid.uuid4().hex}"})["id"]

    # The keys of an issuer that nobody needs: without the shared one's no run gets a token.
    own_issuer = api.post("/api/orgs", {"name": f"own-{uuid.uuid4().hex}", "issuer": "own"})["name"]
    spare_kid = api.get(f"/api/keys?organization={own_issuer}")["keys"][0]["kid"]
    keys = {entry["kid"] for entry in api.get("/api/keys")["keys"]}

    # This server is the trusted issuer, with keys that nobody fetches.
    jwks = api.get("/oidc/.well-known/jwks")
    issuer_url = api.get("/oidc/.well-known/openid-configuration")["issuer"]

    def new_issuer(url: str) -> dict[str, str]:
        return api.post(f"/api/orgs/{ORGANIZATION}/oidc/issuers", static_issuer(url, jwks))

    def policies_id(issuer: dict[str, str]) -> str:
        return api.get(f"/api/orgs/{ORGANIZATION}/auth/policies/oidcissuers/{issuer['id']}")["id"]

    def new_principal(kind: str) -> dict[str, str]:
        return api.post(f"/api/orgs/{ORGANIZATION}/{kind}", {"name": f"spare-{uuid.uuid4().hex}"})

    trusted = new_issuer(issuer_url)
    rules = {"sub": f"runmint:deploy:org:{ORGANIZATION}:project:website:*"}
    policy = {"decision": "allow", "tokenType": "organization", "rules": rules}
    api.patch(f"/api/orgs/{ORGANIZATION}/auth/policies/{policies_id(trusted)}", {"policies": [policy]})
    shown = new_issuer("https://shown.example")
    deleted = new_issuer("https://deleted.example")
    policies = "/api/orgs/{org}/auth/policies/oidcissuers/{id}"
    asked = {"token_type": "organization", "admin": False}
    bodies = {
        "POST /api/oauth/token": {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": f"urn:runmint:org:{ORGANIZATION}",
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "subject_token": api.mint(new_run(), f"urn:runmint:org:{ORGANIZATION}"),
            "requested_token_type": "urn:runmint:token-type:access_token:organization",
        },
        "POST /api/orgs/{org}/oidc/issuers": static_issuer("https://registered.example", jwks),
        "PATCH /api/orgs/{org}/oidc/issuers/{id}": {"name": f"renamed-{uuid.uuid4().hex}"},
        "PATCH /api/orgs/{org}/auth/policies/{id}": {"policies": [policy]},
        f"POST {policies}/explain": {"claims": {"sub": "x"}, "asked": asked, "policies": [policy]},
        f"POST {policies}/replay": {"policies": [policy]},
        "PUT /api/orgs/{org}/cloud-settings": {
            "version": 0,
            "settings": [{"project": "website", "aws": {"roleArn": "arn:aws:iam::123456789012:role/website"}}],
        },
        "PUT /api/orgs/{org}/audience-profiles": {
            "version": 0,
            "profiles": {"sts.amazonaws.com": {"include_claims": []}},
        },
        "PATCH /api/orgs/{org}/teams/{name}": {"rights": []},
        "PATCH /api/orgs/{org}/users/{name}": {"rights": []},
    }

    # Names are never handed out twice.
    spare_organization = api.post("/api/orgs", {"name": f"spare-{uuid.uuid4().hex}"})["name"]
    # At version 0 until the test has written its documents.
    documented = api.post("/api/orgs", {"name": f"documented-{uuid.uuid4().hex}"})["name"]
    run = new_run()
    # schemathesis.toml reads these.
    os.environ["CONTRACT_RUN_ID"] = run["id"]
    os.environ["CONTRACT_REQUEST_TOKEN"] = run["request_token"]
    real = {
        "DELETE /api/orgs/{org}": {"org": spare_organization},
        "GET /api/access-tokens/{id}": {"id": new_token_id()},
        "DELETE /api/access-tokens/{id}": {"id": new_token_id()},
        "GET /api/runs/{id}": {"id": run["id"]},
        "POST /api/keys/{id}/revoke": {"id": spare_kid},
        "GET /api/keys/{id}/id-tokens": {"id": spare_kid},
        "POST /api/snapshot-verifiers/{id}/acknowledge": {"id": new_verifier_id()},
        "DELETE /api/snapshot-verifiers/{id}": {"id": new_verifier_id()},
        "GET /orgs/{org}/oidc/.well-known/openid-configuration": {"org": own_issuer},
        "GET /orgs/{org}/oidc/.well-known/jwks": {"org": own_issuer},
        "POST /api/runs/{id}/finish": {"id": new_run()["id"]},
        "POST /api/runs/{id}/cancel": {"id": new_run()["id"]},
        "POST /api/oauth/token": {},
        "PUT /api/orgs/{org}/cloud-settings": {"org": documented},
        "PUT /api/orgs/{org}/audience-profiles": {"org": documented},
        "POST /api/orgs/{org}/oidc/issuers": {"org": ORGANIZATION},
        "DELETE /api/orgs/{org}/oidc/issuers/{id}": {"org": ORGANIZATION, "id": deleted["id"]},
        "PATCH /api/orgs/{org}/auth/policies/{id}": {"org": ORGANIZATION, "id": policies_id(shown)},
        **{
            operation: {"org": ORGANIZATION, "id": shown["id"]}
            for operation in (
                "GET /api/orgs/{org}/oidc/issuers/{id}",
                "PATCH /api/orgs/{org}/oidc/issuers/{id}",
                "POST /api/orgs/{org}/oidc/issuers/{id}/regenerate-thumbprints",
                f"GET {policies}",
                f"GET {policies}/exchanges",
                f"POST {policies}/explain",
                f"POST {policies}/replay",
            )
        },
        **{
            f"{method} /api/orgs/{{org}}/{kind}/{{name}}": {"org": ORGANIZATION, "name": new_principal(kind)["name"]}
            for kind in ("teams", "users")
            for method in ("GET", "PATCH", "DELETE")
        },
    }
    spares = {value for parameters in real.values() for value in parameters.values()}
    shared_kid = next(entry["kid"] for entry in api.get("/api/keys")["keys"] if "/orgs/" not in entry["issuer"])
    bodies["POST /api/snapshot-verifiers/{id}/acknowledge"] = {"kids": [shared_kid]}
    return Surroundings(organizations | tokens | spares | keys | {trusted["id"]}, real, bodies)


def static_issuer(url: str, jwks: Any) -> dict[str, Any]:
    return {"name": f"spare-{uuid.uuid4().hex}", "url": url, "jwks": jwks}


def steer(surroundings: Surroundings) -> None:
    """Sends each operation once to something real, since a generated id finds nothing, and away from what is needed.

    Lists lead Schemathesis to the very token that it uses. Once that is revoked all else is refused, which fits the
    document and shows nothing.
    """

    # Not filter_case: that one is not asked about every case.
    @schemathesis.hook
    def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
        # A probe with another method runs under the name of the operation that it probes.
        if case.method.upper() != case.operation.method.upper():
            return
        if case.meta and case.meta.generation.mode.is_positive and case.operation.label in surroundings.real:
            case.path_parameters = surroundings.real.pop(case.operation.label)
            if case.operation.label in surroundings.bodies:
                case.body = surroundings.bodies.pop(case.operation.label)
            return
        # Nobody on the Internet is asked for keys.
        if case.operation.label == "POST /api/orgs/{org}/oidc/issuers" and isinstance(case.body, dict):
            case.body["jwks"] = case.body.get("jwks") or {"keys": []}
        ends_something = case.method == "DELETE" or case.path.endswith(("/finish", "/cancel", "/revoke"))
        if ends_something and surroundings.keep & set(case.path_parameters.values()):
            case.path_parameters = {name: UNKNOWN[name] for name in case.path_parameters}


def watch_for_success() -> set[str]:
    """A set that fills with the operations that answered 2xx."""
    operations = set()

    @schemathesis.hook
    def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response) -> None:
        if 200 <= response.status_code < 300 and response.request.method == case.operation.method.upper():
            operations.add(case.operation.label)

    return operations


def run_schemathesis(api: Api) -> bool:
    document = f"{api.base_url}/openapi.yaml"
    # Without a filter Schemathesis leaves out the path of the document itself.
    everything = ["--include-path-regex", "."]
    # Its first probes of the server do not read REQUESTS_CA_BUNDLE.
    trust = ["--tls-verify", api.ca_file] if api.ca_file else []
    target = [document, "--url", api.base_url, *trust, *everything]
    # Not into the current folder, which is anyone's.
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(sys.prefix, "hypothesis"))
    try:
        schemathesis.cli.schemathesis(["--config-file", str(SETTINGS), "--no-color", "run", *target])
    except SystemExit as exit:
        return exit.code == 0
    return True


def documented_operations(api: Api) -> set[str]:
    methods = {"get", "head", "post", "put", "patch", "delete"}
    paths = yaml.safe_load(api.text("/openapi.yaml"))["paths"]
    return {f"{name.upper()} {path}" for path, item in paths.items() for name in item if name in methods}


if __name__ == "__main__":
    sys.exit(main())
