from __future__ import annotations

from fastapi import APIRouter, Response

from wayside.cloud._centre import Centre
from wayside.cloud._kafka import KafkaState
from wayside.cloud._models import ReadyOut
from wayside.cloud._reasons import CloudError
from wayside.observe import METRICS_CONTENT_TYPE, metrics_text, snapshot


def health_router(centre: Centre) -> APIRouter:
    """Routes for those who watch over the process."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    @router.get("/readyz", response_model=ReadyOut, responses={503: {"model": ReadyOut}})
    async def readyz(response: Response) -> dict[str, object]:
        """The store takes and answers, and records are read from Kafka where that is set up; 503 with what
        is not so."""
        missing = {}
        try:
            await centre.check_store()
            await centre.read(lambda reader: reader.site(""))
        except CloudError as error:
            missing["store"] = error.what
        if centre.kafka is not None and centre.kafka.state is not KafkaState.CONSUMING:
            missing["kafka"] = centre.kafka.state.value
        response.status_code = 503 if missing else 200
        return {"status": "not_ready" if missing else "ready", "missing": missing}

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counts, drops and use of this process, as Prometheus reads them."""
        ages = centre.live.ages_ms()
        gauges = {
            "cloud_browsers": float(len(centre.live)),
            "cloud_polls": float(centre.commands.polling),
            "cloud_live_sites": float(sum(age < _LIVE_MS for age in ages.values())),
            "cloud_refused_sites": float(len(centre.rivals)),
        }
        text = metrics_text([snapshot("cloud", centre.counters, gauges=gauges)])
        return Response(text, headers={"content-type": METRICS_CONTENT_TYPE})

    return router


# A site whose views are older than this is not live.
_LIVE_MS = 2_000.0
