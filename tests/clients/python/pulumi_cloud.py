"""Registers an issuer and its policies with Pulumi's own client, and exchanges a token by what was saved.

    pulumi_cloud.py BASE_URL ISSUER_URL

RUNMINT_ACCESS_TOKEN is an owner's of the organization `acme`; standard input is a token of the issuer.
"""

import json
import os
import sys
import urllib.parse
import urllib.request
from urllib.error import HTTPError

from pulumi_cloud_sdk.api_client import ApiClient
from pulumi_cloud_sdk.apis.organizations_api_ import OrganizationsApi
from pulumi_cloud_sdk.apis.users_api_ import UsersApi
from pulumi_cloud_sdk.configuration import Configuration
from pulumi_cloud_sdk.models import (
    AuthPolicyDefinition,
    AuthPolicyUpdateRequest,
    OidcIssuerRegistrationRequest,
    OidcIssuerUpdateRequest,
)

ORG = "acme"


def main() -> int:
    base, issuer_url = sys.argv[1:3]
    owner = client(base, os.environ["RUNMINT_ACCESS_TOKEN"])
    organizations = OrganizationsApi(owner)

    # The client says `"maxExpiration": 0` where its caller says nothing.
    issuer = organizations.register_oidc_issuer(ORG, OidcIssuerRegistrationRequest("theirs", issuer_url))
    assert (issuer.name, issuer.url, issuer.issuer) == ("theirs", issuer_url, issuer_url), issuer
    assert issuer.max_expiration == 25 * 3600, issuer.max_expiration
    assert [one.id for one in organizations.list_orgs_oidc_issuers(ORG).oidc_issuers] == [issuer.id]
    assert organizations.get_oidc_issuer(ORG, issuer.id).created == issuer.created

    policy = organizations.get_auth_policy(ORG, issuer.id)
    # Nothing is allowed until somebody says so.
    assert policy.policies == [], policy.policies
    unscoped = AuthPolicyDefinition("allow", "organization", [], {"sub": "*"})
    refused(422, lambda: replace(organizations, policy.id, [unscoped]))

    rules = {"aud": f"urn:pulumi:org:{ORG}", "sub": "runmint:deploy:org:acme:project:website:*"}
    saved = replace(organizations, policy.id, [AuthPolicyDefinition("allow", "organization", [], rules)])
    assert saved.version > policy.version, saved
    [kept] = organizations.get_auth_policy(ORG, issuer.id).policies
    assert (kept.token_type, kept.rules, kept.authorized_permissions) == ("organization", rules, []), kept
    # What the client read can be written again as it is.
    replace(organizations, policy.id, [kept])

    access_token = exchange(base, sys.stdin.read().strip())
    user = UsersApi(client(base, access_token)).get_current_user()
    assert [one.github_login for one in user.organizations] == [ORG], user
    refused(403, lambda: OrganizationsApi(client(base, access_token)).list_orgs_oidc_issuers(ORG))

    changed = OidcIssuerUpdateRequest("ours", max_expiration=3600)
    changed = organizations.update_oidc_issuer(ORG, issuer.id, changed)
    assert (changed.name, changed.max_expiration, changed.url) == ("ours", 3600, issuer_url), changed
    assert organizations.get_oidc_issuer(ORG, issuer.id).last_used, "it was used"
    organizations.delete_oidc_issuer(ORG, issuer.id)
    assert not organizations.list_orgs_oidc_issuers(ORG).oidc_issuers
    refused(404, lambda: organizations.get_oidc_issuer(ORG, issuer.id))
    print("ok")
    return 0


def client(base: str, access_token: str) -> ApiClient:
    configuration = Configuration()
    configuration.host, configuration.access_token = base, access_token
    return ApiClient(configuration)


def replace(organizations: OrganizationsApi, policy: str, policies: list) -> object:
    return organizations.update_auth_policy(ORG, policy, AuthPolicyUpdateRequest(policies))


def exchange(base: str, subject_token: str) -> str:
    """Every field that `pulumi login --oidc-token` sends, in its order and form."""
    form = urllib.parse.urlencode(
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": f"urn:pulumi:org:{ORG}",
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "requested_token_type": "urn:pulumi:token-type:access_token:organization",
            "scope": "",
            "expiration": "7200",
            "subject_token": subject_token,
        }
    )
    request = urllib.request.Request(f"{base}/api/oauth/token", data=form.encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = json.load(answer)
    assert body["token_type"] == "token" and body["expires_in"] > 0, "the command takes no other"
    return body["access_token"]


def refused(status: int, call) -> None:
    try:
        call()
    except HTTPError as error:
        assert error.code == status, f"{error.code} {error.read()[:500]}"
        return
    raise AssertionError(f"this must be refused with {status}")


if __name__ == "__main__":
    sys.exit(main())
