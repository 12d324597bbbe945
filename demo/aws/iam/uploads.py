"""SSH public keys and X.509 signing certificates: alike but for their names."""

from __future__ import annotations

import hashlib
from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import limit, no_such_entity
from demo.aws.paging import page
from demo.aws.state import Upload, User


def _held(uploads: dict[str, Upload], what: str, upload_id: Any) -> Upload:
    if upload_id not in uploads:
        raise no_such_entity(f"The {what} with id {upload_id} cannot be found.")
    return uploads[upload_id]


def _ssh_key(user: User, upload: Upload, *, body: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "UserName": user.name,
        "SSHPublicKeyId": upload.id,
        "Status": upload.status,
        "UploadDate": upload.uploaded_at,
    }
    if body:
        shown["SSHPublicKeyBody"] = upload.body
        shown["Fingerprint"] = hashlib.sha256(upload.body.encode()).hexdigest()[:47]
    return shown


@operation("iam", "UploadSSHPublicKey", writes=True)
def upload_ssh_public_key(context: Context) -> dict[str, Any]:
    """LimitExceeded at five."""
    user = context.user()
    if len(user.ssh_keys) >= 5:
        raise limit("SSHPublicKeysPerUser", 5)
    body = str(context.params["SSHPublicKeyBody"])
    upload = Upload(context.new_id("APKA"), body, context.now)
    user.ssh_keys[upload.id] = upload
    return {"SSHPublicKey": _ssh_key(user, upload, body=True)}


@operation("iam", "ListSSHPublicKeys")
def list_ssh_public_keys(context: Context) -> dict[str, Any]:
    user = context.user()
    return page(
        context,
        "SSHPublicKeys",
        user.ssh_keys.values(),
        lambda upload: upload.id,
        lambda upload: _ssh_key(user, upload, body=False),
    )


@operation("iam", "GetSSHPublicKey")
def get_ssh_public_key(context: Context) -> dict[str, Any]:
    user = context.user()
    upload = _held(user.ssh_keys, "Public Key", context.params["SSHPublicKeyId"])
    return {"SSHPublicKey": _ssh_key(user, upload, body=True)}


@operation("iam", "UpdateSSHPublicKey", writes=True)
def update_ssh_public_key(context: Context) -> None:
    upload = _held(context.user().ssh_keys, "Public Key", context.params["SSHPublicKeyId"])
    upload.status = str(context.params["Status"])


@operation("iam", "DeleteSSHPublicKey", writes=True)
def delete_ssh_public_key(context: Context) -> None:
    user = context.user()
    del user.ssh_keys[_held(user.ssh_keys, "Public Key", context.params["SSHPublicKeyId"]).id]


def _certificate(user: User, upload: Upload) -> dict[str, Any]:
    return {
        "UserName": user.name,
        "CertificateId": upload.id,
        "CertificateBody": upload.body,
        "Status": upload.status,
        "UploadDate": upload.uploaded_at,
    }


@operation("iam", "UploadSigningCertificate", writes=True)
def upload_signing_certificate(context: Context) -> dict[str, Any]:
    """LimitExceeded at two."""
    user = context.user()
    if len(user.certificates) >= 2:
        raise limit("SigningCertificatesPerUser", 2)
    body = str(context.params["CertificateBody"])
    upload = Upload(context.new_id("", 24), body, context.now)
    user.certificates[upload.id] = upload
    return {"Certificate": _certificate(user, upload)}


@operation("iam", "ListSigningCertificates")
def list_signing_certificates(context: Context) -> dict[str, Any]:
    user = context.user()
    return page(
        context,
        "Certificates",
        user.certificates.values(),
        lambda upload: upload.id,
        lambda upload: _certificate(user, upload),
    )


@operation("iam", "UpdateSigningCertificate", writes=True)
def update_signing_certificate(context: Context) -> None:
    upload = _held(context.user().certificates, "Certificate", context.params["CertificateId"])
    upload.status = str(context.params["Status"])


@operation("iam", "DeleteSigningCertificate", writes=True)
def delete_signing_certificate(context: Context) -> None:
    user = context.user()
    upload = _held(user.certificates, "Certificate", context.params["CertificateId"])
    del user.certificates[upload.id]
