"""The configuration: every key with its default, and one line with its path for whatever is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm import wiring
from carbonslurm.config import Config, FileSource, NesoSource, load, parse
from carbonslurm.core.job import Tres
from carbonslurm.errors import ConfigError

LEAST = """\
cluster: toy
ledger: /var/lib/carbonslurm/ledger.db
zone: GB
sources:
  - {provider: neso, zone: GB}
"""
FULL = (
    LEAST
    + """\
  - {provider: file, zone: site, path: /etc/grid.csv, column: g, kind: marginal, scope: direct, horizon: 2d}
zones: {south: site}
cycle: {interval: 30s, fetch: 15m, reconcile: 2m, stop_step: 3s, updates: 50}
policy:
  name: threshold
  threshold: 180
  max_wait: 1d12h
  margin: 10m
  queue_wait: {gpu: 5m}
  min_gain: 0.05
  assumed_length: 2h
  forecast_age: 6h
flexible:
  gpu_only: false
  defaults:
    - {qos: flex, tag: "flex=12h"}
  exclude: {users: [root], accounts: [ops], partitions: [debug], qos: [high]}
stop: {enabled: false, min_run: 1h, max_stops: 0, restart: 2m, min_saving: 0.2, settle: 30s}
power:
  gpu_watts: {a100: 400}
  other_gpu_watts: 250
  cpu_watts: 4
  gpu_utilisation: 0.8
  cpu_utilisation: 0.4
  node_watts: 300
  node_cpus: 128
  node_gpus: 8
  pue: 1.1
energy:
  slurm: cpus
  prometheus:
    url: http://localhost:9090
    queries: [{name: dcgm, query: 'sum(w{job="$job"})', unit: watts, covers: gpus, partitions: [gpu]}]
    token_file: /etc/carbonslurm/prometheus.token
    timeout: 5s
machines:
  - {partitions: [gpu, gpu-long], nodes: 16, cpus: 128, gpus: 8}
slurm: {conf: /etc/slurm/slurm.conf, path: /usr/bin, timeout: 10s}
"""
)


METERS: dict[str, Any] = {
    "url": "http://a",
    "queries": [{"name": "q", "query": "x", "unit": "watts", "covers": "gpus"}],
}


def with_line(path: str, value: object) -> str:
    """The least configuration with one value set, by a dotted path."""
    raw = yaml.safe_load(LEAST)
    *parents, last = path.split(".")
    section = raw
    for parent in parents:
        section = section.setdefault(parent, {})
    section[last] = value
    return yaml.safe_dump(raw)


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


def test_four_keys_are_enough() -> None:
    config = parse(LEAST)
    assert (config.cluster, config.zone) == ("toy", "GB")
    assert config.sources == (NesoSource(zone="GB"),)
    assert config.policy.max_wait == timedelta(days=1)
    assert config.stop.enabled


def test_every_key_can_be_set() -> None:
    config = parse(FULL)
    assert config.sources[1] == FileSource(
        zone="site",
        path="/etc/grid.csv",
        column="g",
        kind="marginal",
        scope="direct",
        horizon=config.sources[1].horizon,
    )
    assert config.sources[1].horizon == timedelta(days=2)
    assert config.cycle.interval == timedelta(seconds=30)
    assert config.policy.queue_wait == {"gpu": timedelta(minutes=5)}
    assert config.policy.max_wait == timedelta(days=1, hours=12)
    assert config.flexible.defaults[0].tag == "flex=12h"
    assert config.flexible.exclude.users == ("root",)
    assert config.power.gpu_watts == {"a100": 400}
    assert config.machines[0].partitions == ("gpu", "gpu-long")
    assert config.slurm.timeout == timedelta(seconds=10)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        parse(LEAST).cluster = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("policy.threshold", "low", 'policy.threshold: expected a number, got "low"'),
        ("polic", {}, "polic: unknown key"),
        ("policy.treshold", 5, "policy.treshold: unknown key"),
        ("cluster", 5, "cluster: expected a text, got 5"),
        ("cluster", None, "cluster: expected a text, got null"),
        ("stop.enabled", "yes", 'stop.enabled: expected true or false, got "yes"'),
        ("cycle.updates", 1.5, "cycle.updates: expected a whole number, got 1.5"),
        ("sources", {}, "sources: expected a list, got {}"),
        ("policy", [], "policy: expected a mapping, got []"),
        (
            "policy.name",
            "greenest",
            (
                "policy.name: expected one of no-wait, threshold, lowest-slot, lowest-window, carbon-time, "
                'joint, got "greenest"'
            ),
        ),
        ("budgets", [{"user": "ada"}], "budgets[0].kg_per_month: missing"),
        (
            "budgets",
            [{"kg_per_month": 1}],
            "budgets[0]: expected one of user, account and partition, got 0 of them",
        ),
        (
            "budgets",
            [{"kg_per_month": 1, "user": "ada", "account": "x"}],
            "budgets[0]: expected one of user, account and partition, got 2 of them",
        ),
        ("budgets", [{"kg_per_month": 1, "user": "ada"}] * 2, "budgets[1]: ada has a budget already"),
        (
            "budgets",
            [{"kg_per_month": 1, "user": "ada", "flex": "2h"}],
            "budgets[0].flex: nobody waits where a budget's end is only warned of",
        ),
        (
            "budgets",
            [{"kg_per_month": 1, "user": "ada", "at_end": "green", "flex": "3d"}],
            "budgets[0].flex: longer than policy.max_wait",
        ),
        ("zone", "FR", 'zone: no source gives zone "FR"'),
        (
            "machines",
            [{"partitions": ["a", "b"], "nodes": 1, "cpus": 8}, {"partitions": ["b"], "nodes": 1, "cpus": 8}],
            'machines[1].partitions: "b" is in machines[0], too: name partitions that share nodes together',
        ),
        ("zones", {"south": "FR"}, 'zones.south: no source gives zone "FR"'),
    ],
)
def test_what_is_wrong_is_said_with_its_path(path: str, value: object, words: str) -> None:
    assert complaint(with_line(path, value)) == words


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("policy.max_wait", 12, "policy.max_wait: expected a duration such as 12h or 90s, got 12"),
        ("policy.max_wait", "12", 'policy.max_wait: expected a duration such as 12h or 1d12h, got "12"'),
        ("policy.max_wait", "99d", "policy.max_wait: expected 1s to 30d"),
        ("policy.queue_wait", {"gpu": "soon"}, "policy.queue_wait"),
        ("policy.min_gain", 1.5, "policy.min_gain: expected"),
        ("policy.threshold", -1, "policy.threshold: expected"),
        ("power.pue", 0.9, "power.pue: expected"),
        ("power.gpu_watts", {"a100": "hot"}, "power.gpu_watts"),
        ("power.pue", [{"from": "2026-01-01", "value": 0.5}], "power.pue"),
        ("power.pue", [], "power.pue: expected a number, or values in order of their days"),
        (
            "power.pue",
            [{"from": "2026-02-01", "value": 1.2}, {"from": "2026-01-01", "value": 1.1}],
            "power.pue: expected a number, or values in order of their days",
        ),
        ("power.cpu_type", "abacus", 'power.cpu_type: "abacus" is none of epyc-7402, '),
        ("energy.slurm", "yes", "energy.slurm: unknown value"),
        ("energy.prometheus", {"url": "http://a", "queries": []}, "energy.prometheus.queries: expected"),
        ("energy.prometheus", {**METERS, "url": "ftp://a"}, "energy.prometheus.url: expected http://"),
        ("energy.prometheus", {**METERS, "url": "http://a:b@c"}, "energy.prometheus.url: expected http://"),
        ("energy.prometheus", {**METERS, "user": "ada"}, "energy.prometheus: user and password_file"),
        (
            "energy.prometheus",
            {**METERS, "user": "ada", "password_file": "/p", "token_file": "/t"},
            "energy.prometheus: expected token_file, or user and password_file",
        ),
        (
            "energy.prometheus",
            {**METERS, "queries": METERS["queries"] * 2},
            'energy.prometheus.queries: two are called "q"',
        ),
        ("machines", [{"partitions": [], "nodes": 1, "cpus": 8}], "machines[0].partitions: expected"),
        ("machines", [{"partitions": ["a"], "nodes": 0, "cpus": 8}], "machines[0].nodes: expected"),
        ("cycle.updates", 0, "cycle.updates: expected"),
        ("cluster", "", "cluster: expected"),
        ("sources", [], "sources: expected"),
        ("sources", [{"provider": "oracle", "zone": "GB"}], "sources[0]"),
        ("sources", [{"zone": "GB"}], "sources[0]"),
        ("sources", [{"provider": "neso", "zone": "GB", "key": "x"}], "sources[0].key: unknown key"),
        ("sources", [{"provider": "file", "zone": "GB"}], "sources[0].path: missing"),
        ("flexible.defaults", [{"tag": "flex=soon"}], "flexible.defaults[0].tag: flex: "),
        ("flexible.defaults", [{"qos": "flex"}], "flexible.defaults[0].tag: missing"),
        ("flexible.exclude.users", "root", 'flexible.exclude.users: expected a list, got "root"'),
    ],
)
def test_what_is_impossible_is_said_with_its_path(path: str, value: object, words: str) -> None:
    assert complaint(with_line(path, value)).startswith(words)


@pytest.mark.parametrize("key", ["cluster", "ledger", "zone", "sources"])
def test_a_missing_key_is_named(key: str) -> None:
    raw = yaml.safe_load(LEAST)
    del raw[key]
    assert complaint(yaml.safe_dump(raw)) == f"{key}: missing"


@pytest.mark.parametrize("text", ["", "just words", "- a list", "5", "null"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    assert complaint(text).startswith("configuration: expected a mapping")


def test_what_is_no_yaml_says_where() -> None:
    assert complaint("cluster: toy\nzone: [GB\n").startswith("configuration: line ")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"carbonslurm\.yaml: No such file"):
        load(tmp_path / "carbonslurm.yaml")


def test_a_file_that_is_not_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "carbonslurm.yaml"
    path.write_bytes(b"cluster: \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(path)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "carbonslurm.yaml"
    path.write_text(FULL, encoding="utf-8")
    assert load(path) == parse(FULL)


# --- any configuration ---

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    *Config.__struct_fields__,
    *(f"policy.{name}" for name in type(parse(LEAST).policy).__struct_fields__),
    *(f"power.{name}" for name in type(parse(LEAST).power).__struct_fields__),
    *(f"flexible.{name}" for name in type(parse(LEAST).flexible).__struct_fields__),
]


@given(st.sampled_from(KEYS), anything)
def test_any_value_anywhere_is_taken_or_refused_in_one_line(path: str, value: object) -> None:
    try:
        config = parse(with_line(path, value))
    except ConfigError as error:
        words = str(error)
        assert words.startswith(path.split(".", maxsplit=1)[0])
        assert words.isprintable()
        assert len(words) < 300
    else:
        assert isinstance(config, Config)


@given(st.text())
def test_any_text_is_taken_or_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


def test_a_key_given_twice_is_refused() -> None:
    """YAML would take the last one in silence."""
    with pytest.raises(ConfigError, match='the key "threshold" is given twice'):
        parse("cluster: c\npolicy:\n  threshold: 1\n  threshold: 2\n")


@pytest.mark.parametrize("tag", ["flex=2h,checkpoint=USR1@60", "now", "finish=2000000000"])
def test_a_default_says_how_long_jobs_may_wait_and_nothing_else(tag: str) -> None:
    """A job whose owner never heard of the signal would die of it."""
    with pytest.raises(ConfigError, match=r"flexible\.defaults\[0\]\.tag: "):
        parse(
            "cluster: c\nledger: /l\nzone: GB\nsources: [{provider: neso, zone: GB}]\n"
            f"flexible: {{defaults: [{{tag: '{tag}'}}]}}\n"
        )


SERVER = "postgresql://carbon@db:5432/ledger"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("ledger: relative.sqlite", "ledger: expected an absolute path or postgresql://"),
        ("ledger: mysql://carbon:geheim@db/ledger", "ledger: expected an absolute path or postgresql://"),
        ("ledger: postgresql://carbon:geheim@db/ledger", "ledger: no password here"),
        ("ledger: postgresql://carbon@db/ledger?password=geheim", "ledger: no password here"),
        ("ledger: postgresql://carbon@db:geheim/ledger", "ledger: not a URL"),
        (f"ledger: {SERVER}\nledger_reader: postgresql://r:geheim@db/l", "ledger_reader: no password here"),
        (f"ledger: {SERVER}\nledger_reader: /var/lib/geheim", "ledger_reader: expected postgresql://"),
        (f"ledger: {SERVER}\nledger_password_file: here", "ledger_password_file: expected an absolute path"),
        (f"ledger: {SERVER}\nledger_reader_password_file: /x", "ledger_reader_password_file: ledger_reader"),
        ("ledger: /l\nledger_password_file: /x", "ledger_password_file: only a ledger on PostgreSQL"),
        (f"ledger: /l\nledger_reader: {SERVER}", "ledger_reader: only a ledger on PostgreSQL"),
    ],
)
def test_an_address_of_the_ledger_that_cannot_be_is_one_line_without_a_password(
    lines: str, words: str
) -> None:
    text = f"cluster: c\nzone: GB\nsources: [{{provider: neso, zone: GB}}]\n{lines}\n"
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).startswith(words)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        SERVER,
        f"{SERVER}?sslmode=verify-full",
        "postgresql:///ledger?host=/run/postgresql",
        "postgresql://carbon@[::1]:5432/ledger",
        "postgresql://carbon@one:5432,two:5432/ledger?target_session_attrs=read-write",
    ],
)
def test_a_ledger_on_a_server_is_taken_with_what_libpq_takes(address: str) -> None:
    text = f'cluster: c\nzone: GB\nsources: [{{provider: neso, zone: GB}}]\nledger: "{address}"\n'
    assert parse(text).ledger == address


KEYED = (
    LEAST
    + """\
  - {provider: file, zone: GB, path: /etc/grid.csv, horizon: 2d}
  - {provider: electricity-maps, zone: north, token_file: em-token, area: DE, scope: direct, horizon: 72h,
     version: v3}
  - {provider: watttime, zone: west, user: site, password_file: /etc/wt, latitude: 37.5, longitude: -122,
     signal: co2_aoer, horizon: 6h}
  - {provider: eia, zone: CISO, token_file: eia-key, scope: direct}
"""
)


def test_sources_with_keys_are_configured_by_the_names_of_files() -> None:
    """What the file says arrives at the providers, durations too."""
    found = {source.zone: source for source in wiring.carbon_sources(parse(KEYED))}
    assert set(found) == {"GB", "north", "west", "CISO"}
    north, west = cast("Any", found["north"]), cast("Any", found["west"])
    assert (north.maps.area, north.maps.version, north.horizon) == ("DE", "v3", timedelta(hours=72))
    assert north.maps.token.file == "em-token"
    assert (west.watttime.place, west.watttime.signal) == ((37.5, -122.0), "co2_aoer")
    assert west.horizon == timedelta(hours=6)


@pytest.mark.parametrize(
    ("written", "wrong", "why"),
    [
        ("horizon: 72h", "horizon: 7h", "sources[2].horizon: expected 6h, 24h, 48h, 72h"),
        ("em-token", "some/token", "sources[2].token_file: expected an absolute path or the name of a"),
        ("latitude: 37.5, ", "", "sources[3].latitude: expected together with longitude"),
        ("latitude: 37.5", "latitude: 97.5", "sources[3].latitude: expected a number <= 90"),
        ("zone: CISO", "zone: ciso", "sources[4].area: expected the code of a balancing area"),
        ("token_file: eia-key", "token: abc", "sources[4].token: unknown key"),
    ],
)
def test_what_is_wrong_with_a_source_is_named(written: str, wrong: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wiring.carbon_sources(parse(KEYED.replace(written, wrong)))
    assert why in str(caught.value)


# --- power and PUE, as figures are made by them


def test_pue_may_change_from_a_day_on() -> None:
    steps = [{"from": "2026-01-01", "value": 1.4}, {"from": "2026-07-01", "value": 1.2}]
    room = wiring_pue(with_line("power.pue", steps))
    moments = [datetime(2026, 6, 30, 23, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)]
    assert [room.at(moment) for moment in moments] == [1.4, 1.2]
    assert wiring_pue(LEAST).at(moments[0]) == 1.3
    assert wiring_pue(LEAST + "power: {pue: 1}").at(moments[0]) == 1


def wiring_pue(text: str) -> Any:
    return wiring.figure_rules(parse(text)).pue


@pytest.mark.parametrize(
    ("lines", "watts"),
    [
        ("", 5.0),
        ("power: {cpu_watts: 3}", 3.0),
        ("power: {cpu_type: epyc-7763}", 4.375),
        ("power: {cpu_type: EPYC 7763, threads_per_core: 2}", 2.1875),
        ("power: {cpu_type: epyc-7763, cpu_watts: 3}", 3.0),
    ],
)
def test_the_power_of_a_cpu_is_the_site_s_the_processor_s_or_assumed(lines: str, watts: float) -> None:
    assert wiring.power(parse(LEAST + lines)).cpu_watts == watts


def test_described_nodes_have_a_model_of_their_own() -> None:
    size = "nodes: 2, cpus: 32, gpus: 8"
    kinds = "gpu_type: v100, cpu_type: xeon-6148, node_watts: 500"
    text = f"{LEAST}machines: [{{partitions: [gpu], {size}, {kinds}}}]"
    power_of = wiring.figure_rules(parse(text)).power_of
    gpu, rest = power_of("gpu"), power_of("other")
    assert (gpu.node_cpus, gpu.node_gpus, gpu.node_watts, gpu.cpu_watts) == (32, 8, 500, 7.5)
    assert (gpu.other_gpu_watts, rest.other_gpu_watts) == (300, 300)
    assert gpu.most(Tres(gpus={"": 1})).gpus == 300
    assert (rest.node_cpus, rest.cpu_watts) == (64, 5)
