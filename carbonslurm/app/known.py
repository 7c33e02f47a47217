"""What is known of intensities, read once for many runs, and the nature that covers each window best."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.painted import Painted


class Known:
    """The hours around some windows.

    Args:
        read: what is known of a zone's window, a picture for each nature.
        windows: that will be asked for, each with its zone.
    """

    def __init__(
        self,
        read: Callable[[str, Interval], Sequence[Painted]],
        windows: Iterable[tuple[str, Interval]],
    ) -> None:
        hulls: dict[str, Interval] = {}
        for zone, window in windows:
            hull = hulls.get(zone, window)
            hulls[zone] = Interval(min(hull.start, window.start), max(hull.end, window.end))
        self._painted: Mapping[str, Sequence[Painted]] = {
            zone: read(zone, hull) for zone, hull in hulls.items()
        }

    def best(self, zone: str, window: Interval) -> Series | None:
        """Return the series that covers most of a window, of equals the first by name; None without any."""
        known = [(painted.known_seconds(window), painted) for painted in self._painted[zone]]
        covering = [item for item in known if item[0] > 0]
        if not covering:
            return None
        return min(covering, key=lambda item: (-item[0], str(item[1].nature)))[1].series(window)
