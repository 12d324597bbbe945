"""What each value of a policy is called where people read it, and what it means in a few words."""

LABELS = {
    "watch": ("Watch", "Fenced, keys live, every call denied and logged"),
    "soak": ("Soak", "Shut; starts again when a caller was fixed"),
    "quiet": ("Quiet before disable", "Old credentials unused this long"),
    "dormant_after": ("Dormant after", "No sign-in, no key use, no call"),
    "batch_size": ("Batch size", "20 at most"),
    "notice": ("Notice to owners", "Working days; nobody told, nobody touched"),
    "disable_window": ("Disable window", "Account's time zone"),
    "delete_window": ("Delete window", "Account's time zone"),
    "freezes": ("Freezes", "Restore always works"),
    "settle": ("Settle", "No next disable batch before the last is this old"),
    "claim_deadline": ("Claim deadline", "Working days; then the custodian adopts"),
    "evidence_max_age": ("Evidence at most", "Older evidence: no approval"),
}
