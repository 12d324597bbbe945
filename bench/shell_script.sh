#!/bin/bash
# What teams use today: one AWS CLI process for each call. `shell_script.sh disable|delete < names`.
# As it is usually written: no user id is compared, nothing is read back, and a failed call does not
# keep "deleted" from being printed, because `set -e` does not hold inside `if ! …`.
set -euo pipefail

each() { # each QUERY COMMAND...: the words of one column
    local query=$1
    shift
    aws iam "$@" --query "$query" --output text | tr '\t' '\n' | grep -v '^None$' || true
}

disable_user() {
    local user=$1 key
    for key in $(each 'AccessKeyMetadata[].AccessKeyId' list-access-keys --user-name "$user"); do
        aws iam update-access-key --user-name "$user" --access-key-id "$key" --status Inactive
    done
    aws iam delete-login-profile --user-name "$user" 2>/dev/null || true
}

delete_user() {
    local user=$1 one
    for one in $(each 'Groups[].GroupName' list-groups-for-user --user-name "$user"); do
        aws iam remove-user-from-group --user-name "$user" --group-name "$one"
    done
    for one in $(each 'AccessKeyMetadata[].AccessKeyId' list-access-keys --user-name "$user"); do
        aws iam delete-access-key --user-name "$user" --access-key-id "$one"
    done
    for one in $(each 'AttachedPolicies[].PolicyArn' list-attached-user-policies --user-name "$user"); do
        aws iam detach-user-policy --user-name "$user" --policy-arn "$one"
    done
    for one in $(each 'PolicyNames[]' list-user-policies --user-name "$user"); do
        aws iam delete-user-policy --user-name "$user" --policy-name "$one"
    done
    for one in $(each 'MFADevices[].SerialNumber' list-mfa-devices --user-name "$user"); do
        aws iam deactivate-mfa-device --user-name "$user" --serial-number "$one"
        aws iam delete-virtual-mfa-device --serial-number "$one"
    done
    for one in $(each 'SSHPublicKeys[].SSHPublicKeyId' list-ssh-public-keys --user-name "$user"); do
        aws iam delete-ssh-public-key --user-name "$user" --ssh-public-key-id "$one"
    done
    for one in $(each 'ServiceSpecificCredentials[].ServiceSpecificCredentialId' \
        list-service-specific-credentials --user-name "$user"); do
        aws iam delete-service-specific-credential --user-name "$user" \
            --service-specific-credential-id "$one"
    done
    for one in $(each 'Certificates[].CertificateId' list-signing-certificates --user-name "$user"); do
        aws iam delete-signing-certificate --user-name "$user" --certificate-id "$one"
    done
    aws iam delete-login-profile --user-name "$user" 2>/dev/null || true
    aws iam delete-user --user-name "$user"
}

while read -r user; do
    if ! "$1_user" "$user"; then
        echo "failed: $user"
    fi
    echo "$1d: $user"
done
