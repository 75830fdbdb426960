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
# A key is published for a day before it may sign, so this one is always refused here.
TOO_EARLY = {"POST /api/keys/rotate"}
UNKNOWN = {"org": "no-such-organization", "id": "00000000-0000-4000-8000-000000000000"}


def main() -> int:
    if len(sys.argv) != 2 or "RUNMINT_ACCESS_TOKEN" not in os.environ:
        print("usage: RUNMINT_ACCESS_TOKEN=… contract.py BASE_URL", file=sys.stderr)
        return 2
    api = Api(sys.argv[1].rstrip("/"), os.environ["RUNMINT_ACCESS_TOKEN"], os.environ.get("RUNMINT_CA_FILE"))
    steer(prepare(api))
    answered_well = watch_for_success()

    passed = run_schemathesis(api)

    for operation in sorted(documented_operations(api) - answered_well - TOO_EARLY):
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

    def text(self, path: str) -> str:
        return self._send("GET", path).text

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        response = requests.request(method, self.base_url + path, headers=self.headers, timeout=30, **options)
        if not response.ok:
            sys.exit(f"contract: {method} {path} answered {response.status_code}: {response.text}")
        return response


@dataclass(frozen=True)
class Surroundings:
    """`keep` are names and ids that have to outlive the test, `real` are path parameters that exist, by operation.

    `bodies` are what has to be sent with them where it names something that exists.
    """

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

    # Names are never handed out twice.
    spare_organization = api.post("/api/orgs", {"name": f"spare-{uuid.uuid4().hex}"})["name"]
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
    }
    spares = {value for parameters in real.values() for value in parameters.values()}
    shared_kid = next(entry["kid"] for entry in api.get("/api/keys")["keys"] if "/orgs/" not in entry["issuer"])
    bodies = {"POST /api/snapshot-verifiers/{id}/acknowledge": {"kids": [shared_kid]}}
    return Surroundings(organizations | tokens | spares | keys, real, bodies)


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
            case.body = surroundings.bodies.get(case.operation.label, case.body)
            return
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
