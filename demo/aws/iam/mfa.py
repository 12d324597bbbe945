"""MFA devices: virtual ones exist apart from users, hardware and FIDO ones only with a user."""

from __future__ import annotations

from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import conflict, exists, limit, no_such_entity
from demo.aws.paging import page
from demo.aws.state import MfaDevice, User, VirtualMfa

from .users import shown_user


def _shown(user: User, device: MfaDevice) -> dict[str, Any]:
    return {
        "UserName": user.name,
        "SerialNumber": device.serial,
        "EnableDate": device.enabled_at,
    }


@operation("iam", "ListMFADevices")
def list_mfa_devices(context: Context) -> dict[str, Any]:
    user = context.user()
    return page(
        context,
        "MFADevices",
        user.mfa.values(),
        lambda device: device.serial,
        lambda device: _shown(user, device),
    )


@operation("iam", "GetMFADevice")
def get_mfa_device(context: Context) -> dict[str, Any]:
    user, serial = context.user(), str(context.params["SerialNumber"])
    if serial not in user.mfa:
        raise no_such_entity(f"MFA Device with serial number {serial} cannot be found.")
    return _shown(user, user.mfa[serial])


@operation("iam", "CreateVirtualMFADevice", writes=True)
def create_virtual_mfa_device(context: Context) -> dict[str, Any]:
    path = str(context.params.get("Path", "/"))
    serial = context.account.arn(f"mfa{path}{context.params['VirtualMFADeviceName']}")
    if serial in context.account.virtual_mfa:
        raise exists("MFADevice entity at the same path and name already exists.")
    context.account.virtual_mfa[serial] = VirtualMfa(serial)
    return {"VirtualMFADevice": {"SerialNumber": serial, "Base32StringSeed": b"SIMULATED"}}


@operation("iam", "EnableMFADevice", writes=True)
def enable_mfa_device(context: Context) -> None:
    """LimitExceeded at eight devices; EntityAlreadyExists for one in use."""
    user, serial = context.user(), str(context.params["SerialNumber"])
    if len(user.mfa) >= 8:
        raise limit("MFADevicesPerUser", 8)
    virtual = context.account.virtual_mfa.get(serial)
    if ":mfa/" in serial:
        if virtual is None:
            raise no_such_entity(f"VirtualMFADevice with serial number {serial} doesn't exist.")
        if virtual.user_id is not None:
            raise exists("MFA Device is already in use.")
        virtual.user_id, virtual.enabled_at = user.id, context.now
    user.mfa[serial] = MfaDevice(serial, context.now)


@operation("iam", "DeactivateMFADevice", writes=True)
def deactivate_mfa_device(context: Context) -> None:
    """A virtual device stays behind, unassigned."""
    user, serial = context.user(), str(context.params["SerialNumber"])
    if serial not in user.mfa:
        raise no_such_entity(f"MFA Device with serial number {serial} cannot be found.")
    del user.mfa[serial]
    if serial in context.account.virtual_mfa:
        context.account.virtual_mfa[serial].user_id = None
        context.account.virtual_mfa[serial].enabled_at = None


@operation("iam", "DeleteVirtualMFADevice", writes=True)
def delete_virtual_mfa_device(context: Context) -> None:
    """DeleteConflict while in use, NoSuchEntity for FIDO and hardware serials (5.4)."""
    serial = str(context.params["SerialNumber"])
    device = context.account.virtual_mfa.get(serial)
    if device is None:
        raise no_such_entity(f"VirtualMFADevice with serial number {serial} doesn't exist.")
    if device.user_id is not None:
        raise conflict("MFA VirtualDevice in use. Must deactivate first.")
    del context.account.virtual_mfa[serial]


@operation("iam", "ListVirtualMFADevices")
def list_virtual_mfa_devices(context: Context) -> dict[str, Any]:
    """Account-wide, by `AssignmentStatus` Assigned, Unassigned or Any."""
    wanted = str(context.params.get("AssignmentStatus", "Any"))
    rows = [
        device
        for device in context.account.virtual_mfa.values()
        if wanted == "Any" or (wanted == "Assigned") == (device.user_id is not None)
    ]

    def shown(device: VirtualMfa) -> dict[str, Any]:
        owner = context.account.by_user_id.get(device.user_id or "")
        if owner is None:
            return {"SerialNumber": device.serial}
        return {
            "SerialNumber": device.serial,
            "User": shown_user(owner, full=False),
            "EnableDate": device.enabled_at,
        }

    return page(context, "VirtualMFADevices", rows, lambda device: device.serial, shown)
