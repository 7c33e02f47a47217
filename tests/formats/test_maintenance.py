"""Maintenance ahead: which partitions it takes whole."""

from carbonslurm.core.interval import from_epoch
from carbonslurm.formats.maintenance import Maintenance, read_maintenance, read_outages

RESERVATION = (
    "ReservationName=m StartTime={} EndTime=1795364412 Duration=01:00:00 Nodes={} NodeCnt=4 CoreCnt=64 "
    "Features=(null) PartitionName=(null) Flags={} TRES=cpu=64 Users=root State=INACTIVE\n"
)
PARTITION = "PartitionName={} AllowGroups=ALL MaxNodes=UNLIMITED Nodes={} PriorityJobFactor=1 State=UP\n"
PARTITIONS = PARTITION.format("gpu", "n[1-4]") + PARTITION.format("cpu", "c[01-20]")
NOW = from_epoch(1_795_000_000)
FIRST, SECOND = from_epoch(1_795_100_000), from_epoch(1_795_360_812)


def reservation(start: int, nodes: str, flags: str) -> str:
    return RESERVATION.format(start, nodes, flags)


def test_what_lies_ahead_is_read_and_what_is_no_maintenance_is_not() -> None:
    text = (
        reservation(1_795_360_812, "c[01-20],n[1-4]", "MAINT,IGNORE_JOBS,SPEC_NODES,ALL_NODES")
        + reservation(1_795_100_000, "n[1-4]", "MAINT,SPEC_NODES")
        + reservation(1_794_000_000, "n[1-4]", "MAINT,SPEC_NODES")
        + reservation(1_795_200_000, "n[1-4]", "SPEC_NODES")
    )
    nodes = frozenset({"n1", "n2", "n3", "n4"})
    assert read_maintenance(text, NOW) == [Maintenance(SECOND, None), Maintenance(FIRST, nodes)]
    assert read_maintenance("No reservations in the system\n", NOW) == []


def test_a_partition_has_an_outage_when_all_of_its_nodes_go() -> None:
    some = Maintenance(FIRST, frozenset({"n1", "n2", "n3"}))
    whole = Maintenance(SECOND, frozenset({"n1", "n2", "n3", "n4", "login1"}))
    assert read_outages([some], PARTITIONS) == {}
    assert read_outages([some, whole], PARTITIONS) == {"gpu": SECOND}
    everything = Maintenance(FIRST, None)
    assert read_outages([whole, everything], PARTITIONS) == {"gpu": FIRST, "cpu": FIRST}


def test_a_partition_without_nodes_has_none() -> None:
    assert read_outages([Maintenance(FIRST, frozenset({"n1"}))], PARTITION.format("idle", "(null)")) == {}
