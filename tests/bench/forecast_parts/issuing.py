"""Issues our forecasts one after another, as the daemon would: trained now and then, on what lay before."""

from collections.abc import Iterable, Iterator

from carbonslurm.core.forecaster import WINDOW_DAYS, Model, Outlook, forecast, train
from carbonslurm.core.hourly import Hourly, start_of


def issued(history: Hourly, hours: Iterable[int], retrain: int, ahead: int = 96) -> Iterator[Outlook]:
    """Yield a forecast for each hour of issue, in order; each sees only the hours before it.

    Args:
        history: all that came; what lies at or after an hour of issue is cut off.
        hours: numbers of hours, rising.
        retrain: hours that a model is kept.
        ahead: how many hours to say.
    """
    model: Model | None = None
    for hour in hours:
        if model is None or hour >= model.trained_until + retrain:
            model = train(history.until(hour))
        recent = Hourly(hour - WINDOW_DAYS * 24, history.between(hour - WINDOW_DAYS * 24, hour))
        yield forecast(model, recent, start_of(hour), ahead)
