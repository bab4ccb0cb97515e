"""Arguments of the test harness's calls, accepted and refused."""

from __future__ import annotations

import pytest

from mooq.testing.recorder import Event, Recorder, event_of


@pytest.mark.parametrize("event", Event)
def test_event_has_the_name_of_its_records(event: Event) -> None:
    name = event.name.lower()
    assert isinstance(getattr(Recorder, name), property)
    assert event_of(name) is event_of(event.value) is event_of(event) is event


@pytest.mark.parametrize("name", ["lost", "PUBLISHED", None, 1])
def test_unknown_event_is_refused_with_the_names_that_exist(name: str) -> None:
    with pytest.raises(ValueError, match="event must be one of 'published'") as raised:
        event_of(name)
    assert str(raised.value).endswith(f"'dead_lettered', not {name!r}")
