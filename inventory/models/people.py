"""People who sign in here, and the teams that answer for IAM users."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower


class Role(models.TextChoices):
    """What a person may do; roles add up. What each allows stands in `inventory.permissions`."""

    VIEWER = "viewer", "Viewer"
    LEAD = "lead", "Team lead"
    ENGINEER = "engineer", "Security engineer"
    APPROVER = "approver", "Approver"
    ADMIN = "admin", "Admin"


class Mail(models.TextChoices):
    """Which messages a person gets by e-mail beside the inbox, which has all of them."""

    ALL = "all", "Everything"
    NEEDED = "needed", "Only what needs me"
    NONE = "none", "Nothing"


class Team(models.Model):
    """A group of people that owns IAM users."""

    key = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    lead = models.ForeignKey(
        "inventory.Person", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    escalate_to = models.EmailField(blank=True)
    slack = models.CharField(max_length=100, blank=True)
    email = models.EmailField(blank=True)
    jira_project = models.CharField(max_length=30, blank=True)
    match = models.JSONField(default=dict, blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def leads(self) -> models.QuerySet[Person]:
        """Everybody who may answer for this team: its named lead, and members who are leads."""
        return (
            Person.objects.filter(is_active=True)
            .filter(models.Q(pk=self.lead_id) | models.Q(teams=self, roles__contains=[Role.LEAD]))
            .distinct()
        )


class PersonManager(BaseUserManager["Person"]):
    def create_user(
        self, username: str, email: str = "", password: str | None = None, **extra: Any
    ) -> Person:
        """A new person; without a password nobody can sign in as them with one."""
        person = self.model(username=username, email=self.normalize_email(email), **extra)
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser):
    """Whoever signs in here. One person is one row; IAM users are never people."""

    username = models.CharField(max_length=150, unique=True)
    name = models.CharField(max_length=150, blank=True)
    email = models.EmailField(blank=True)
    roles = ArrayField(models.CharField(max_length=10, choices=Role.choices), default=list)
    teams = models.ManyToManyField(Team, related_name="members", blank=True)
    is_active = models.BooleanField(default=True)
    # Stands in the organization file; whoever came in by a group of the sign-in provider does not.
    declared = models.BooleanField(default=True)
    # Those groups the provider named at the last sign-in that the file gives something for, and
    # what of roles and teams (by key) comes from them alone.
    groups = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    granted_roles = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    granted_teams = ArrayField(models.SlugField(), default=list, blank=True)
    mail = models.CharField(max_length=6, choices=Mail.choices, default=Mail.ALL)
    last_inbox_at = models.DateTimeField(null=True, blank=True)
    # Columns of the Users page that this person does without.
    hidden_columns = ArrayField(models.CharField(max_length=12), default=list, blank=True)

    # Whether `remembering` was asked for, and what it knows: all teams led, also those that ended.
    _remembers = False
    _led: list[Team] | None = None

    objects = PersonManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("email"), name="person_email_once", condition=~models.Q(email="")
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.username

    def has_role(self, *roles: str) -> bool:
        """Whether this person is active and holds at least one of `roles`."""
        return self.is_active and any(role in self.roles for role in roles)

    @property
    def initials(self) -> str:
        return "".join(part[0] for part in str(self).split()[:2]).upper()

    def remembering(self) -> Person:
        """This person, whose teams are asked for once: right for one request, and no longer."""
        self._remembers = True
        return self

    def leads_team(self, team: Team | None) -> bool:
        """Whether this person may answer for `team`."""
        if team is None:
            return False
        if self._remembers:
            return self.is_active and team in self._all_led()
        return team.leads().filter(pk=self.pk).exists()

    def leads_any(self) -> bool:
        """Whether this person may answer for any team at all."""
        return bool(self.leading()) if self._remembers else self.led_teams().exists()

    def leading(self) -> list[Team]:
        """The teams of `led_teams`; with `remembering` as they were when first asked for."""
        return [team for team in self._all_led() if team.active]

    def led_teams(self) -> models.QuerySet[Team]:
        """The teams this person may answer for."""
        return self._led_by().filter(active=True)

    def _all_led(self) -> list[Team]:
        if self._led is None or not self._remembers:
            self._led = list(self._led_by())
        return self._led

    def _led_by(self) -> models.QuerySet[Team]:
        led = models.Q(lead=self)
        if self.has_role(Role.LEAD):
            led |= models.Q(members=self)
        return Team.objects.filter(led).distinct()


class Identity(models.Model):
    """Whom a sign-in provider knows as which person: its issuer and its own, lasting subject."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    # As it was told, verified, when the two were joined.
    email = models.EmailField()
    joined_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_once"),
            models.UniqueConstraint(fields=["person", "issuer"], name="identity_one_per_issuer"),
        ]

    def __str__(self) -> str:
        return f"{self.person} at {self.issuer}"
