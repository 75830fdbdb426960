"""AWS KMS as moto plays it, on a free port of 127.0.0.1, which is printed. Ends when its input ends.
With two arguments, the files of a certificate and its key, it speaks HTTPS.

moto hashes what it is to sign even if it is a digest, goes on using keys that are to be deleted, and fails at
deleting a key that its ARN names. AWS does not, and so does this not.
"""

import os
import sys
import threading

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.core.exceptions import JsonRESTError
from moto.kms.models import KmsBackend
from moto.kms.responses import KmsResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

# As cryptography has what KMS calls by these names.
SCHEMES = {
    "RSASSA_PKCS1_V1_5_SHA_256": (padding.PKCS1v15(), Prehashed(hashes.SHA256())),
    "ECDSA_SHA_256": (ec.ECDSA(Prehashed(hashes.SHA256())),),
}


def main():
    KmsBackend.sign = sign
    KmsBackend.get_public_key = unless_pending_deletion(KmsBackend.get_public_key)
    KmsBackend.schedule_key_deletion = unless_pending_deletion(KmsBackend.schedule_key_deletion)
    KmsResponse.sign = only_digests(KmsResponse.sign)
    app = DomainDispatcherApplication(create_backend_app)
    tls = tuple(sys.argv[1:]) or None
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, ssl_context=tls)
    print(server.server_port, flush=True)
    threading.Thread(target=end_with_input, daemon=True).start()
    server.serve_forever()


def only_digests(respond):
    def checked(self):
        if self._get_param("MessageType") != "DIGEST":
            raise JsonRESTError("ValidationException", "this stand-in signs digests only")
        return respond(self)

    return checked


def sign(self, key_id, message, signing_algorithm):
    key = self.describe_key(key_id)
    refuse_if_pending_deletion(key)
    if signing_algorithm not in SCHEMES or signing_algorithm not in key.signing_algorithms:
        raise JsonRESTError("InvalidKeyUsageException", f"{key.key_spec} does not sign {signing_algorithm}")
    if len(message) != hashes.SHA256.digest_size:
        raise JsonRESTError("ValidationException", f"Digest is of invalid length: {len(message)}")
    signature = key.private_key.private_key.sign(message, *SCHEMES[signing_algorithm])
    return key.arn, signature, signing_algorithm


def unless_pending_deletion(operation):
    def checked(self, key_id, *arguments, **named):
        key = self.describe_key(key_id)
        refuse_if_pending_deletion(key)
        return operation(self, key.id, *arguments, **named)

    return checked


def refuse_if_pending_deletion(key):
    if key.key_state == "PendingDeletion":
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def end_with_input():
    sys.stdin.read()
    os._exit(0)


class Quiet(WSGIRequestHandler):
    def log_request(self, code="-", size="-"):
        pass


main()
