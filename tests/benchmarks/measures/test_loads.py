"""Every promise holds beside pollers, readers, a busy group chat and crashes."""

import pytest

from tests.benchmarks.measures.loads import measure_loads
from tests.benchmarks.rows import OURS


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_promise_holds_beside_a_crowd() -> None:
    rows = {row.name: row for row in measure_loads(1)}

    broken = [name for name, row in rows.items() if any(row.is_met(goal) is not True for goal in row.goals)]
    assert broken == [], {name: rows[name].values[OURS] for name in broken}
