"""The schema. What is in it is read by people's own SQL too, so each column says what it holds.

Rules: moments are Unix seconds, durations seconds, energy kWh, intensity g/kWh, emissions g; unknown is NULL.
``intensity``, ``issue_point``, ``figure``, ``figure_beside``, ``measurement``, ``queue_start``, ``action``
and ``outcome`` are append-only: what is revised becomes a new row, and the newest counts. ``asked`` is memory
that may be lost: its rows are overwritten. ``run`` joins with sacct by (cluster, job_id, submitted). Nothing
here may be known to one database only. Whoever changes this file adds a revision under ``migrations`` (a test
compares).
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from carbonslurm.core.action import Verb
from carbonslurm.core.energy import Covers
from carbonslurm.core.means import Means
from carbonslurm.core.nature import Kind, Scope
from carbonslurm.core.stop import Phase
from carbonslurm.ledger.columns import Moment, Number, Seconds
from carbonslurm.ports import OutcomeState

# All revisions in order; the last is what this code reads and writes. Here, so that a reader need not import
# Alembic (0.3 s) to tell whether it can read a ledger.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _one_of(column: str, *words: Iterable[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for group in words for word in group)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


INTENSITY = Table(
    "intensity",
    METADATA,
    Column("id", Number, primary_key=True, doc="rises with time: of two rows for one step the higher counts"),
    Column("zone", Text, nullable=False, doc="the site's name of the grid area"),
    Column("source", Text, nullable=False, doc="the provider that published it"),
    Column("kind", Text, nullable=False, doc="average or marginal"),
    Column("scope", Text, nullable=False, doc="what the number includes"),
    Column("starts_at", Moment, nullable=False, doc="first instant that it holds for"),
    Column("ends_at", Moment, nullable=False, doc="first instant that it no longer holds for"),
    Column("g_per_kwh", Double, nullable=False, doc="measured intensity"),
    Column("estimated", Boolean, nullable=False, doc="whether the source says that it may be revised"),
    Column("recorded_at", Moment, nullable=False, doc="when we stored it"),
    _one_of("kind", Kind),
    _one_of("scope", Scope),
    CheckConstraint("ends_at > starts_at", name="span"),
    Index("ix_intensity_window", "zone", "kind", "scope", "ends_at"),
    Index("ix_intensity_news", "ends_at", "recorded_at"),
)

ISSUE = Table(
    "issue",
    METADATA,
    Column("id", Number, primary_key=True, doc="ours"),
    Column("zone", Text, nullable=False, doc="the site's name of the grid area"),
    Column("source", Text, nullable=False, doc="the provider that published it"),
    Column("kind", Text, nullable=False, doc="average or marginal"),
    Column("scope", Text, nullable=False, doc="what the numbers include"),
    Column("generated_at", Moment, doc="when the source made it, NULL where it does not say"),
    Column("first_fetched_at", Moment, nullable=False, doc="when we first read it"),
    Column("fetched_at", Moment, nullable=False, doc="when we last read it: the source still stands by it"),
    Column("starts_at", Moment, nullable=False, doc="first instant that it covers"),
    Column("ends_at", Moment, nullable=False, doc="its horizon"),
    Column("digest", Text, nullable=False, doc="SHA-256 of generated_at and all points: one issue, one row"),
    Column("share", Double, doc="how much of the truth lies within the points' bands, NULL: it has none"),
    Column("measured_until", Moment, doc="up to when it knew measured values, NULL: the source does not say"),
    UniqueConstraint("zone", "source", "kind", "scope", "digest"),
    _one_of("kind", Kind),
    _one_of("scope", Scope),
    Index("ix_issue_window", "zone", "kind", "scope", "ends_at"),
    Index("ix_issue_news", "ends_at", "first_fetched_at"),
    Index("ix_issue_read", "zone", "fetched_at"),
)

ISSUE_POINT = Table(
    "issue_point",
    METADATA,
    Column("issue", Number, ForeignKey("issue.id"), primary_key=True, autoincrement=False, doc="its issue"),
    Column("starts_at", Moment, primary_key=True, doc="first instant that it holds for"),
    Column("ends_at", Moment, nullable=False, doc="first instant that it no longer holds for"),
    Column("g_per_kwh", Double, nullable=False, doc="forecast intensity"),
    Column("estimated", Boolean, nullable=False, doc="as the source flagged it"),
    Column("low", Double, doc="g/kWh: where its band begins, NULL: it has none"),
    Column("high", Double, doc="g/kWh: where its band ends, NULL: it has none"),
    CheckConstraint("ends_at > starts_at", name="span"),
)

ASKED = Table(
    "asked",
    METADATA,
    Column("provider", Text, primary_key=True, doc="as the configuration spells it"),
    Column("zone", Text, primary_key=True, doc="the site's name of the grid area"),
    Column("question", Text, primary_key=True, doc="what is asked, in the provider's words"),
    Column("asked_at", Moment, doc="when it was last asked, NULL: never"),
    Column("answered_at", Moment, doc="when it last gave an answer that could be believed"),
    Column(
        "gave", Text, nullable=False, doc="JSON: what that answer held: forecast, measured and its nature"
    ),
    Column("failures", Integer, nullable=False, doc="how often in a row there was no answer since"),
    Column("left_until", Moment, doc="it is not asked before"),
    Column("reason", Text, doc="why there was no answer the last time, NULL: there was one"),
    Column("calls", Text, nullable=False, doc="JSON: when it was asked, for providers that limit calls"),
)

JOB = Table(
    "job",
    METADATA,
    Column("id", Number, primary_key=True, doc="ours: Slurm uses its job ids again"),
    Column("cluster", Text, nullable=False, doc="Slurm's ClusterName"),
    Column("job_id", BigInteger, nullable=False, doc="Slurm's; for pending array tasks the array's"),
    Column("first_submitted", Moment, nullable=False, doc="submit time when first seen"),
    Column("last_submitted", Moment, nullable=False, doc="submit time when last seen: a requeue moves it"),
    Column("user_name", Text, nullable=False, doc="its owner (USER is a word of SQL's own)"),
    Column("account", Text, nullable=False, doc="Slurm's"),
    Column("partition", Text, nullable=False, doc="Slurm's; a list until it starts"),
    Column("qos", Text, nullable=False, doc="Slurm's"),
    Column("tag", Text, doc="as the hook wrote it, when first seen"),
    Column("first_eligible", Moment, doc="when it could first have started without us, NULL until known"),
    Column("waited", Boolean, nullable=False, doc="whether it was ever seen with unmet dependencies"),
    UniqueConstraint("cluster", "job_id", "first_submitted"),
)

RUN = Table(
    "run",
    METADATA,
    Column("id", Number, primary_key=True, doc="ours"),
    Column("cluster", Text, nullable=False, doc="Slurm's ClusterName"),
    Column("job_id", BigInteger, nullable=False, doc="sacct's JobIDRaw"),
    Column("submitted", Moment, nullable=False, doc="sacct's Submit: a requeue starts a new run"),
    Column("array_job_id", BigInteger, doc="the array that it is a task of"),
    Column("array_task", BigInteger, doc="its number in the array"),
    Column("user_name", Text, nullable=False, doc="its owner (USER is a word of SQL's own)"),
    Column("account", Text, nullable=False, doc="Slurm's"),
    Column("partition", Text, nullable=False, doc="Slurm's; a list until it starts"),
    Column("qos", Text, nullable=False, doc="Slurm's"),
    Column("eligible", Moment, doc="sacct's Eligible; our own changes move it"),
    Column("started", Moment, doc="NULL: never started"),
    Column("ended", Moment, doc="NULL: not ended when last read"),
    Column("state", Text, nullable=False, doc="Slurm's word"),
    Column("exit_code", Text, nullable=False, doc="sacct's: code:signal"),
    Column("time_limit", Seconds, doc="NULL: unlimited"),
    Column("cpus", Integer, nullable=False, doc="as Slurm counts them"),
    Column("nodes", Integer, nullable=False, doc="whole or shared"),
    Column("gpus", Text, nullable=False, doc="JSON: count by type"),
    Column("energy_joules", Double, doc="as measured by Slurm, NULL where it did not"),
    Column("tag", Text, doc="as the hook wrote it, NULL: not flexible"),
    Column("node_list", Text, doc="its nodes as Slurm writes them, NULL: not known"),
    Column("suspended", Seconds, doc="for how long of its time Slurm had it suspended, NULL: never"),
    Column("job_name", Text, doc="what its owner called it: any text whatever; NULL: not known"),
    Column("recorded_at", Moment, nullable=False, doc="when first read from sacct"),
    Column("changed_at", Moment, nullable=False, doc="when these facts last changed"),
    Column("figured_at", Moment, doc="when its figure was last worked out, NULL: never, or since news came"),
    Column("settled", Boolean, nullable=False, doc="whether its figure is final as far as we know"),
    Column("figure", Number, doc="the id of its figure that counts, NULL: none"),
    UniqueConstraint("cluster", "job_id", "submitted"),
    Index("ix_run_array", "cluster", "array_job_id"),
    Index("ix_run_ended", "ended"),
    Index("ix_run_window", "cluster", "ended"),
    Index("ix_run_user", "user_name", "ended"),
    Index("ix_run_account", "account", "ended"),
    Index("ix_run_settled", "cluster", "settled", "ended"),
)

STEP = Table(
    "step",
    METADATA,
    Column("run", Number, ForeignKey("run.id"), primary_key=True, autoincrement=False, doc="whose step"),
    Column("step", Text, primary_key=True, doc="its name as sacct writes it: 0, batch, extern"),
    Column("job_name", Text, doc="what it was called: any text whatever; NULL: not known"),
    Column("state", Text, nullable=False, doc="Slurm's word"),
    Column("exit_code", Text, nullable=False, doc="sacct's: code:signal"),
    Column("started", Moment, doc="NULL: not known"),
    Column("ended", Moment, doc="NULL: not ended when last read"),
    Column("energy_joules", Double, doc="as measured by Slurm, NULL where it did not; steps overlap"),
    Column("cpus", Integer, nullable=False, doc="as Slurm counts them"),
    Column("nodes", Integer, nullable=False, doc="whole or shared"),
    Column("gpus", Text, nullable=False, doc="JSON: count by type"),
)

FIGURE = Table(
    "figure",
    METADATA,
    Column("id", Number, primary_key=True, doc="rises with time: the highest of a run counts"),
    Column("run", Number, ForeignKey("run.id"), nullable=False, doc="whose figure it is"),
    Column("computed_at", Moment, nullable=False, doc="when working it out began"),
    Column("energy_kwh", Double, nullable=False, doc="of the whole run, PUE included"),
    Column("energy_method", Text, nullable=False, doc="modelled, slurm, ..."),
    Column("emitted_g", Double, doc="NULL where any part of the run's intensity is unknown"),
    Column("baseline_starts_at", Moment, nullable=False, doc="when its work would have begun without us"),
    Column("baseline_ends_at", Moment, nullable=False, doc="when its work would have ended without us"),
    Column("baseline_g", Double, doc="what it would have emitted then, NULL where unknown"),
    Column("lost", Seconds, nullable=False, doc="time of the run that our stops threw away or cost"),
    Column("kind", Text, doc="of the intensity used, NULL where there was none"),
    Column("scope", Text, doc="of the intensity used, NULL where there was none"),
    Column("source", Text, doc="who gave the intensity"),
    Column("estimated", Boolean, nullable=False, doc="whether any value used may yet be revised"),
    Column("queue_starts_at", Moment, doc="when a queue without us would have begun its work, NULL: unknown"),
    Column("queue_ends_at", Moment, doc="when it would have ended then"),
    Column("queue_g", Double, doc="what it would have emitted then, NULL where unknown"),
    Column("zone", Text, doc="the site's name of the grid area, NULL in figures from before it was kept"),
    Column("energy_quality", Text, doc="how much was measured: measured, partly, modelled; NULL as zone"),
    Column("pue", Double, doc="the room's power over the machines' that energy_kwh includes; NULL as zone"),
    _one_of("kind", Kind),
    _one_of("scope", Scope),
    CheckConstraint("(kind IS NULL) = (scope IS NULL)", name="nature"),
    Index("ix_figure_run", "run", "id"),
)

FIGURE_BESIDE = Table(
    "figure_beside",
    METADATA,
    Column("figure", Number, ForeignKey("figure.id"), primary_key=True, autoincrement=False, doc="whose"),
    Column("kind", Text, nullable=False, doc="of the intensity used: the one that the figure does not have"),
    Column("scope", Text, nullable=False, doc="of the intensity used"),
    Column("source", Text, nullable=False, doc="who gave the intensity"),
    Column("emitted_g", Double, doc="NULL where any part of the run's intensity is unknown"),
    Column("baseline_g", Double, doc="of the figure's baseline, NULL where unknown"),
    Column("queue_g", Double, doc="of the figure's baseline of a queue without us, NULL where unknown"),
    Column("estimated", Boolean, nullable=False, doc="whether any value used may yet be revised"),
    _one_of("kind", Kind),
    _one_of("scope", Scope),
)

MEASUREMENT = Table(
    "measurement",
    METADATA,
    Column("id", Number, primary_key=True, doc="rises with time: the highest of a run and source counts"),
    Column("run", Number, ForeignKey("run.id"), nullable=False, doc="of which it is"),
    Column("source", Text, nullable=False, doc="whose meters: the name of a query"),
    Column("covers", Text, doc="what they see: nodes, gpus or cpus; NULL: there was nothing"),
    Column("kwh", Double, doc="of the whole run, PUE not included; NULL: there was nothing"),
    Column("detail", Text, nullable=False, doc="why there was nothing, where the source said why"),
    Column("asked_at", Moment, nullable=False, doc="when it was asked"),
    _one_of("covers", Covers),
    CheckConstraint("(covers IS NULL) = (kwh IS NULL)", name="said"),
    Index("ix_measurement_run", "run", "source", "id"),
)

QUEUE_PASS = Table(
    "queue_pass",
    METADATA,
    Column("id", Number, primary_key=True, doc="rises with time"),
    Column("cluster", Text, nullable=False, doc="Slurm's ClusterName"),
    Column("machines", Text, nullable=False, doc="the partitions whose queue was simulated"),
    Column("starts_at", Moment, nullable=False, doc="runs that held room after this took part"),
    Column("ends_at", Moment, nullable=False, doc="and had begun before this"),
    Column("model", Text, nullable=False, doc="the queue and the machines, in words"),
    Column("computed_at", Moment, nullable=False, doc="when working it out began"),
    Index("ix_queue_pass_machines", "cluster", "machines", "id"),
)

QUEUE_START = Table(
    "queue_start",
    METADATA,
    Column("id", Number, primary_key=True, doc="rises with time: the highest of a run counts"),
    Column("run", Number, ForeignKey("run.id"), nullable=False, doc="whose start it is"),
    Column("queue_pass", Number, ForeignKey("queue_pass.id"), nullable=False, doc="who says so"),
    Column("starts_at", Moment, nullable=False, doc="when a queue without us would have started it"),
    Index("ix_queue_start_run", "run", "id"),
)

CYCLE = Table(
    "cycle",
    METADATA,
    Column("id", Number, primary_key=True, doc="ours"),
    Column("cluster", Text, doc="NULL where the daemon did not say"),
    Column("begun_at", Moment, nullable=False, doc="just before Slurm was asked"),
    Column("ended_at", Moment, doc="NULL: in progress, or cut off"),
    Column("observe", Boolean, nullable=False, doc="whether its actions were only written down"),
    Column("pending", Integer, doc="jobs that waited"),
    Column("flexible", Integer, doc="jobs that carried a tag"),
    Column("running", Integer, doc="jobs that ran"),
    Column("actions", Integer, doc="how many were intended"),
    Column("refused", Integer, doc="how many of them Slurm refused"),
    Column("error", Text, doc="NULL: none"),
    Column("notes", Text, doc="JSON: a list of lines for people"),
    Index("ix_cycle_cluster", "cluster", "id"),
)

ACTION = Table(
    "action",
    METADATA,
    Column("id", Number, primary_key=True, doc="rises with time"),
    Column("cycle", Number, ForeignKey("cycle.id"), doc="NULL: made by a command"),
    Column("verb", Text, nullable=False, doc="withhold, release, stop or leave"),
    Column("cluster", Text, nullable=False, doc="Slurm's ClusterName"),
    Column("job_id", BigInteger, nullable=False, doc="Slurm's; for pending array tasks the array's"),
    Column("job", Number, ForeignKey("job.id"), nullable=False, doc="which of the jobs with this id"),
    Column("spec", Text, nullable=False, doc="how scontrol names exactly these tasks"),
    Column("submitted", Moment, nullable=False, doc="submit time of the run that it is about"),
    Column("restarts", Integer, nullable=False, doc="Slurm's count at that time"),
    Column("before", Moment, doc="eligible time that Slurm showed before"),
    Column("tag", Text, doc="as the hook had written it"),
    Column("means", Text, nullable=False, doc="by what it is withheld or released: begin, hold or gate"),
    Column("site_factor", Integer, doc="priority given for the waiting, NULL: none"),
    Column("until", Moment, doc="withhold: planned start; stop: planned restart"),
    Column("bound", Moment, doc="latest start promised"),
    Column("reason", Text, nullable=False, doc="one line for people"),
    Column("g_per_kwh_now", Double, doc="mean intensity of the run if it started at once"),
    Column("g_per_kwh_then", Double, doc="mean intensity of the run if it starts at until"),
    Column("saving_g", Double, doc="expected saving"),
    Column("final", Boolean, nullable=False, doc="leave: the owner spoke, we never touch this job again"),
    Column("intended_at", Moment, nullable=False, doc="when written, before anything was done"),
    _one_of("verb", Verb),
    _one_of("means", Means),
    Index("ix_action_job", "job", "id"),
    Index("ix_action_verb", "cluster", "verb"),
    Index("ix_action_key", "cluster", "job_id", "id"),
    Index("ix_action_intended", "cluster", "intended_at"),
)

OUTCOME = Table(
    "outcome",
    METADATA,
    Column("id", Number, primary_key=True, doc="rises with time: the highest of an action counts"),
    Column("action", Number, ForeignKey("action.id"), nullable=False, doc="what it became of"),
    Column("state", Text, nullable=False, doc="an outcome, or the phase that a stop is in"),
    Column("at", Moment, nullable=False, doc="when we knew"),
    Column("detail", Text, nullable=False, doc="Slurm's words, where it had any"),
    _one_of("state", OutcomeState, Phase),
    Index("ix_outcome_action", "action", "id"),
)

SWITCH = Table(
    "switch",
    METADATA,
    Column("id", Number, primary_key=True, doc="rises with time: the highest of a cluster counts"),
    Column("cluster", Text, nullable=False, doc="Slurm's ClusterName"),
    Column("paused", Boolean, nullable=False, doc="whether the daemon keeps its hands off from then on"),
    Column("at", Moment, nullable=False, doc="when an admin said so"),
    Column("by", Text, nullable=False, doc="who: the account"),
    Column("reason", Text, nullable=False, doc="why, in the admin's words"),
    Index("ix_switch_cluster", "cluster", "id"),
)

SET_ASIDE = Table(
    "set_aside",
    METADATA,
    Column("id", Number, primary_key=True, doc="ours"),
    Column("cluster", Text, nullable=False, doc="Slurm's ClusterName"),
    Column("digest", Text, nullable=False, doc="SHA-256 of the row: the same row again is one row"),
    Column(
        "job", Text, nullable=False, doc="the job id as sacct printed it, empty where it was not to be read"
    ),
    Column("job_id", BigInteger, doc="the same as a number, NULL where it is none"),
    Column("submitted", Moment, doc="NULL where it was not to be read"),
    Column("reason", Text, nullable=False, doc="why it is no run, for people"),
    Column("row", Text, nullable=False, doc="as sacct printed it, fields divided by |"),
    Column("recorded_at", Moment, nullable=False, doc="when first read from sacct"),
    UniqueConstraint("cluster", "digest"),
)

READ_MARK = Table(
    "read_mark",
    METADATA,
    Column("cluster", Text, primary_key=True, doc="Slurm's ClusterName"),
    Column("until", Moment, nullable=False, doc="up to when sacct has been read"),
)
