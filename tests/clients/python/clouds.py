"""Asks a cloud who is calling, with a client library that knows nothing of the issuer.

    clouds.py CLIENT < LINES

The library finds everything in the environment, as in service. Each line on standard input is one call with the same
client object, so that it renews credentials when it sees fit; each answer is one line of JSON: {"caller": "..."}, or
{"refused": "..."} with the text that a user of the library would see. WHOAMI_URL is what the tokens of Azure and
Google are shown to.
"""

import json
import os
import sys


def boto3_client():
    import boto3

    sts = boto3.Session().client("sts")
    return lambda: sts.get_caller_identity()["Arn"]


def azure_identity_client():
    import requests
    from azure.identity import WorkloadIdentityCredential

    # Instance discovery asks Microsoft whether the authority is one of theirs, which no stand-in is.
    credential = WorkloadIdentityCredential(disable_instance_discovery=True)

    def call():
        token = credential.get_token("https://management.azure.com/.default").token
        answer = requests.get(os.environ["WHOAMI_URL"], headers={"Authorization": f"Bearer {token}"}, timeout=30)
        answer.raise_for_status()
        return answer.text

    return call


def google_auth_client():
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = AuthorizedSession(credentials)

    def call():
        answer = session.get(os.environ["WHOAMI_URL"], timeout=30)
        answer.raise_for_status()
        return answer.text

    return call


CLIENTS = {
    "boto3": boto3_client,
    "azure-identity": azure_identity_client,
    "google-auth": google_auth_client,
}


def attempt(call):
    try:
        return {"caller": call()}
    except Exception as error:  # Whatever a user would see.
        return {"refused": f"{type(error).__name__}: {error}"}


def main():
    call = CLIENTS[sys.argv[1]]()
    for _ in sys.stdin:
        print(json.dumps(attempt(call)), flush=True)


main()
