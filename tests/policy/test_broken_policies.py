"""Every file of `broken/` is a policy with something wrong; its first lines say what the gateway answers.

A line `#! line:column: place: message` is one problem, in the order of the report, without the name of the file. A
file that has no account of its own is loaded beside a good one.
"""

from pathlib import Path

import pytest
from policy_texts import Load

from gateway.policy import PolicyInvalid

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.toml"))
MARK = "#! "


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_policy_is_told_in_full(path: Path, load: Load) -> None:
    text = path.read_text()
    expected = [line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK)]
    with pytest.raises(PolicyInvalid) as caught:
        load(text)
    assert [str(problem).removeprefix("policies/0.toml:") for problem in caught.value.problems] == expected
