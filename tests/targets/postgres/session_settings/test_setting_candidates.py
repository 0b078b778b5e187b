import pytest

from honed.targets.postgres.session_settings.candidates import (
    Memory,
    as_kb,
    candidates,
    pages_as_kb,
)

MEGABYTE = 1024 * 1024
NOW = {
    "work_mem": "4096",
    "hash_mem_multiplier": "2",
    "jit": "on",
    "random_page_cost": "4",
    "effective_cache_size": "524288",
    "enable_nestloop": "on",
    "enable_mergejoin": "on",
    "enable_seqscan": "off",
}
SMALL = Memory(buffers_bytes=128 * MEGABYTE, hit_share=1.0)


def values(now: dict[str, str], memory: Memory, name: str) -> list[str]:
    return [each.value for each in candidates(now, memory) if each.name == name]


def test_work_mem_stays_below_64_mb_or_a_quarter_of_the_buffers() -> None:
    assert values(NOW, SMALL, "work_mem") == ["16MB", "64MB"]
    large = Memory(buffers_bytes=1024 * MEGABYTE, hit_share=1.0)
    assert values(NOW, large, "work_mem") == ["16MB", "64MB", "256MB"]


def test_hash_tables_stay_below_it_too() -> None:
    assert values(NOW, SMALL, "hash_mem_multiplier") == ["4", "8"]
    assert values({**NOW, "work_mem": "16MB"}, SMALL, "hash_mem_multiplier") == ["4"]
    assert values({**NOW, "work_mem": "64MB"}, SMALL, "hash_mem_multiplier") == []


def test_nothing_that_is_so_already_is_tried() -> None:
    so = {**NOW, "work_mem": "64MB", "jit": "off", "random_page_cost": "1.1"}
    tried = {each.name for each in candidates(so, SMALL)}
    assert tried == {"enable_nestloop", "enable_mergejoin"}


def test_how_to_read_is_not_tried_where_production_waits_for_its_disk() -> None:
    tried = list(candidates(NOW, Memory(buffers_bytes=128 * MEGABYTE, hit_share=0.9)))
    assert {each.name for each in tried} == {"work_mem", "hash_mem_multiplier", "jit"}


@pytest.mark.parametrize(("text", "kb"), [("64", 64), ("64kB", 64), ("2MB", 2048), ("1GB", 2**20)])
def test_sizes_are_read_as_the_server_reads_them(text: str, kb: float) -> None:
    assert as_kb(text) == kb


def test_the_size_of_a_cache_without_a_unit_counts_pages() -> None:
    assert pages_as_kb("100") == 800
    with pytest.raises(ValueError, match="no size"):
        pages_as_kb("plenty")
