"""Every exception of honed, each with a hint that says what to do.

HonedError
+-- ConfigurationError
+-- MissingExtra
+-- StoreError
|   +-- StoreUnavailable  StoreOutdated  ServerFailed  DirectoryInUse  DiskFull  NotAllowed
|   +-- RowsRefused
+-- TargetError
|   +-- TargetUnavailable  MissingExtension  MissingPrivilege  UnknownTarget
|   +-- StatementCut  LoginRefused  ArchiveDamaged  QueryRefused
|   +-- GitFailed  UnknownCommit  ChangeRefused  PushRefused
+-- LoopError
|   +-- UnknownImprovement  WrongState  StaleApproval  StepFailed  Stopped  LostJob
|   +-- InvalidMessage  EvaluatorFailed  UnknownPlugin  Interrupted  UnknownDeadLetter
|   +-- KindFailed  Postponed  UnknownFinding  EvidenceRefused  PeerUnavailable
|   +-- UnknownTicket  WrongTicketState  SourceFailed
+-- IntakeError
|   +-- MalformedSignal  UnknownProject  Overloaded
+-- SandboxError
|   +-- SandboxMissing  SandboxFailed  SandboxEnded
+-- ForgeError
|   +-- ForgeUnavailable  ForgeRefused  RateLimited  WebhookRefused
|   +-- UnknownChange  WrongChangeState  ChangeConflict  ChangeWithheld
+-- LanguageModelError
|   +-- ModelUnavailable  ModelRefused  AnswerRefused  RecordingMissing
|   +-- BudgetExceeded  PriceUnknown
+-- RepairFailed
+-- LedgerError
    +-- LedgerTampered  UnknownEntry  MissingCheckpoints
"""

from honed.errors.base import ConfigurationError, HonedError, MissingExtra
from honed.errors.code import (
    AnswerRefused,
    BudgetExceeded,
    ChangeConflict,
    ChangeWithheld,
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    LanguageModelError,
    ModelRefused,
    ModelUnavailable,
    PriceUnknown,
    RateLimited,
    RecordingMissing,
    RepairFailed,
    SandboxEnded,
    SandboxError,
    SandboxFailed,
    SandboxMissing,
    UnknownChange,
    WebhookRefused,
    WrongChangeState,
)
from honed.errors.intake import IntakeError, MalformedSignal, Overloaded, UnknownProject
from honed.errors.ledger import LedgerError, LedgerTampered, MissingCheckpoints, UnknownEntry
from honed.errors.loop import (
    EvaluatorFailed,
    EvidenceRefused,
    Interrupted,
    InvalidMessage,
    KindFailed,
    LoopError,
    LostJob,
    PeerUnavailable,
    Postponed,
    SourceFailed,
    StaleApproval,
    StepFailed,
    Stopped,
    UnknownDeadLetter,
    UnknownFinding,
    UnknownImprovement,
    UnknownPlugin,
    UnknownTicket,
    WrongState,
    WrongTicketState,
)
from honed.errors.store import (
    DirectoryInUse,
    DiskFull,
    NotAllowed,
    RowsRefused,
    ServerFailed,
    StoreError,
    StoreOutdated,
    StoreUnavailable,
)
from honed.errors.target import (
    ArchiveDamaged,
    ChangeRefused,
    GitFailed,
    LoginRefused,
    MissingExtension,
    MissingPrivilege,
    PushRefused,
    QueryRefused,
    StatementCut,
    TargetError,
    TargetUnavailable,
    UnknownCommit,
    UnknownTarget,
)

__all__ = [
    "AnswerRefused",
    "ArchiveDamaged",
    "BudgetExceeded",
    "ChangeConflict",
    "ChangeRefused",
    "ChangeWithheld",
    "ConfigurationError",
    "DirectoryInUse",
    "DiskFull",
    "EvaluatorFailed",
    "EvidenceRefused",
    "ForgeError",
    "ForgeRefused",
    "ForgeUnavailable",
    "GitFailed",
    "HonedError",
    "IntakeError",
    "Interrupted",
    "InvalidMessage",
    "KindFailed",
    "LanguageModelError",
    "LedgerError",
    "LedgerTampered",
    "LoginRefused",
    "LoopError",
    "LostJob",
    "MalformedSignal",
    "MissingCheckpoints",
    "MissingExtension",
    "MissingExtra",
    "MissingPrivilege",
    "ModelRefused",
    "ModelUnavailable",
    "NotAllowed",
    "Overloaded",
    "PeerUnavailable",
    "Postponed",
    "PriceUnknown",
    "PushRefused",
    "QueryRefused",
    "RateLimited",
    "RecordingMissing",
    "RepairFailed",
    "RowsRefused",
    "SandboxEnded",
    "SandboxError",
    "SandboxFailed",
    "SandboxMissing",
    "ServerFailed",
    "SourceFailed",
    "StaleApproval",
    "StatementCut",
    "StepFailed",
    "Stopped",
    "StoreError",
    "StoreOutdated",
    "StoreUnavailable",
    "TargetError",
    "TargetUnavailable",
    "UnknownChange",
    "UnknownCommit",
    "UnknownDeadLetter",
    "UnknownEntry",
    "UnknownFinding",
    "UnknownImprovement",
    "UnknownPlugin",
    "UnknownProject",
    "UnknownTarget",
    "UnknownTicket",
    "WebhookRefused",
    "WrongChangeState",
    "WrongState",
    "WrongTicketState",
]
