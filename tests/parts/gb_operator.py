"""The GB operator as a local server plays it: what it measured, what it expects, and its mix."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from werkzeug import Request, Response

HALF = timedelta(minutes=30)
DAY = timedelta(days=1)


@dataclass
class Operator:
    """The GB operator: half hours of 100 g/kWh, and 200 to come; it counts what it is asked."""

    paths: list[str] = field(default_factory=list)
    status: int = 200

    def answer(self, request: Request) -> Response:
        self.paths.append(request.path)
        if self.status != 200:
            return Response("no", status=self.status)
        if request.path == "/generation":
            mix = [{"fuel": "wind", "perc": 75.0}, {"fuel": "gas", "perc": 25.0}]
            body: object = {**_span(datetime.now(UTC) - HALF), "generationmix": mix}
        else:
            body = self._half_hours(request.path)
        return Response(json.dumps({"data": body}), mimetype="application/json")

    def _half_hours(self, path: str) -> list[object]:
        first, second = path.split("/")[2:4]
        start = datetime.strptime(first, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        spans = {"fw48h": (start, start + 2 * DAY), "pt24h": (start - DAY, start)}
        if second in spans:
            start, end = spans[second]
        else:
            end = datetime.strptime(second, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        start -= (start - datetime(2000, 1, 1, tzinfo=UTC)) % HALF
        now = datetime.now(UTC)
        count = max(-((start - end) // HALF), 0)
        times = [start + place * HALF for place in range(count)]
        return [
            {
                **_span(at),
                "intensity": {"forecast": 200, "actual": 100 if at + HALF <= now else None, "index": "low"},
            }
            for at in times
        ]


def _span(at: datetime) -> dict[str, str]:
    at -= (at - datetime(2000, 1, 1, tzinfo=UTC)) % HALF
    return {"from": f"{at:%Y-%m-%dT%H:%MZ}", "to": f"{at + HALF:%Y-%m-%dT%H:%MZ}"}
