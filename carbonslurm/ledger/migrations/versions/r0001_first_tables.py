"""The first tables.

A revision is a record of what was done: it is never edited once released, and it names no table of
``tables``, which moves on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATES = (
    "'applied', 'confirmed', 'refused', 'uncertain', 'forgotten', 'overridden', 'observed', "
    "'intended', 'signalling', 'signalled', 'requeued', 'delayed', 'done', 'ended', 'abandoned'"
)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create everything; there is no way back but a backup."""
    _create_cycle()
    _create_intensity()
    _create_issue()
    _create_job()
    _create_read_mark()
    _create_run()
    _create_switch()
    _create_action()
    _create_figure()
    _create_issue_point()
    _create_outcome()


def _create_switch() -> None:
    op.create_table(
        "switch",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_switch"),
    )
    op.create_index("ix_switch_cluster", "switch", ["cluster", "id"])


def _create_cycle() -> None:
    op.create_table(
        "cycle",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=True),
        sa.Column("begun_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("observe", sa.Boolean(), nullable=False),
        sa.Column("pending", sa.Integer(), nullable=True),
        sa.Column("flexible", sa.Integer(), nullable=True),
        sa.Column("running", sa.Integer(), nullable=True),
        sa.Column("actions", sa.Integer(), nullable=True),
        sa.Column("refused", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_cycle"),
    )
    op.create_index("ix_cycle_cluster", "cycle", ["cluster", "id"])


def _create_intensity() -> None:
    op.create_table(
        "intensity",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("g_per_kwh", sa.Double(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.CheckConstraint("kind IN ('average', 'marginal')", name=op.f("ck_intensity_kind")),
        sa.CheckConstraint(
            "scope IN ('lifecycle', 'direct', 'operational', 'unknown')", name=op.f("ck_intensity_scope")
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_intensity_span")),
        sa.PrimaryKeyConstraint("id", name="pk_intensity"),
    )
    op.create_index("ix_intensity_news", "intensity", ["ends_at", "recorded_at"])
    op.create_index("ix_intensity_window", "intensity", ["zone", "kind", "scope", "ends_at"])


def _create_issue() -> None:
    op.create_table(
        "issue",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("generated_at", sa.Double(), nullable=True),
        sa.Column("first_fetched_at", sa.Double(), nullable=False),
        sa.Column("fetched_at", sa.Double(), nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('average', 'marginal')", name=op.f("ck_issue_kind")),
        sa.CheckConstraint(
            "scope IN ('lifecycle', 'direct', 'operational', 'unknown')", name=op.f("ck_issue_scope")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_issue"),
        sa.UniqueConstraint("zone", "source", "kind", "scope", "digest", name="uq_issue"),
    )
    op.create_index("ix_issue_news", "issue", ["ends_at", "first_fetched_at"])
    op.create_index("ix_issue_window", "issue", ["zone", "kind", "scope", "ends_at"])


def _create_job() -> None:
    op.create_table(
        "job",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("first_submitted", sa.Double(), nullable=False),
        sa.Column("last_submitted", sa.Double(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("qos", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("first_eligible", sa.Double(), nullable=True),
        sa.Column("waited", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("cluster", "job_id", "first_submitted", name="uq_job"),
    )


def _create_read_mark() -> None:
    op.create_table(
        "read_mark",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", name="pk_read_mark"),
    )


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("submitted", sa.Double(), nullable=False),
        sa.Column("array_job_id", sa.BigInteger(), nullable=True),
        sa.Column("array_task", sa.BigInteger(), nullable=True),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("qos", sa.Text(), nullable=False),
        sa.Column("eligible", sa.Double(), nullable=True),
        sa.Column("started", sa.Double(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Text(), nullable=False),
        sa.Column("time_limit", sa.Double(), nullable=True),
        sa.Column("cpus", sa.Integer(), nullable=False),
        sa.Column("nodes", sa.Integer(), nullable=False),
        sa.Column("gpus", sa.Text(), nullable=False),
        sa.Column("energy_joules", sa.Double(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("figured_at", sa.Double(), nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("cluster", "job_id", "submitted", name="uq_run"),
    )
    op.create_index("ix_run_account", "run", ["account", "ended"])
    op.create_index("ix_run_array", "run", ["cluster", "array_job_id"])
    op.create_index("ix_run_ended", "run", ["ended"])
    op.create_index("ix_run_settled", "run", ["cluster", "settled", "ended"])
    op.create_index("ix_run_user", "run", ["user_name", "ended"])


def _create_action() -> None:
    op.create_table(
        "action",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("cycle", NUMBER, nullable=True),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("job", NUMBER, nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("submitted", sa.Double(), nullable=False),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("before", sa.Double(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("means", sa.Text(), nullable=False),
        sa.Column("site_factor", sa.Integer(), nullable=True),
        sa.Column("until", sa.Double(), nullable=True),
        sa.Column("bound", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("g_per_kwh_now", sa.Double(), nullable=True),
        sa.Column("g_per_kwh_then", sa.Double(), nullable=True),
        sa.Column("saving_g", sa.Double(), nullable=True),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("intended_at", sa.Double(), nullable=False),
        sa.CheckConstraint("verb IN ('withhold', 'release', 'stop', 'leave')", name=op.f("ck_action_verb")),
        sa.CheckConstraint("means IN ('begin', 'hold', 'gate')", name=op.f("ck_action_means")),
        sa.ForeignKeyConstraint(["cycle"], ["cycle.id"], name="fk_action_cycle"),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name="fk_action_job"),
        sa.PrimaryKeyConstraint("id", name="pk_action"),
    )
    op.create_index("ix_action_intended", "action", ["cluster", "intended_at"])
    op.create_index("ix_action_job", "action", ["job", "id"])
    op.create_index("ix_action_key", "action", ["cluster", "job_id", "id"])
    op.create_index("ix_action_verb", "action", ["cluster", "verb"])


def _create_figure() -> None:
    op.create_table(
        "figure",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("computed_at", sa.Double(), nullable=False),
        sa.Column("energy_kwh", sa.Double(), nullable=False),
        sa.Column("energy_method", sa.Text(), nullable=False),
        sa.Column("emitted_g", sa.Double(), nullable=True),
        sa.Column("baseline_starts_at", sa.Double(), nullable=False),
        sa.Column("baseline_ends_at", sa.Double(), nullable=False),
        sa.Column("baseline_g", sa.Double(), nullable=True),
        sa.Column("lost", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('average', 'marginal')", name=op.f("ck_figure_kind")),
        sa.CheckConstraint(
            "scope IN ('lifecycle', 'direct', 'operational', 'unknown')", name=op.f("ck_figure_scope")
        ),
        sa.CheckConstraint("(kind IS NULL) = (scope IS NULL)", name=op.f("ck_figure_nature")),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_figure_run"),
        sa.PrimaryKeyConstraint("id", name="pk_figure"),
    )
    op.create_index("ix_figure_run", "figure", ["run", "id"])


def _create_issue_point() -> None:
    op.create_table(
        "issue_point",
        sa.Column("issue", NUMBER, autoincrement=False, nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("g_per_kwh", sa.Double(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_issue_point_span")),
        sa.ForeignKeyConstraint(["issue"], ["issue.id"], name="fk_issue_point_issue"),
        sa.PrimaryKeyConstraint("issue", "starts_at", name="pk_issue_point"),
    )


def _create_outcome() -> None:
    op.create_table(
        "outcome",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("action", NUMBER, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_outcome_state")),
        sa.ForeignKeyConstraint(["action"], ["action.id"], name="fk_outcome_action"),
        sa.PrimaryKeyConstraint("id", name="pk_outcome"),
    )
    op.create_index("ix_outcome_action", "outcome", ["action", "id"])
