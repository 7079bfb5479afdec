"""Routes: recording what people do, and doing it again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response

from posthouse.simulator import views
from posthouse.simulator.control.site import here, site
from posthouse.simulator.scenarios.recorder import Recorder, Recording
from posthouse.simulator.scenarios.records import Scenario, ScenarioInvalid, read_scenario
from posthouse.simulator.scenarios.replay import WITHIN_S, ReplayFailed, replay

YAML = "application/yaml"


def routes_of_scenarios() -> APIRouter:
    routes = APIRouter(prefix="/scenario", tags=["scenarios"])

    @routes.post("/recording")
    async def start_recording(wanted: views.NewRecording | None = None) -> views.RecordingState:
        """Write down what is done from now on over this API; a recording that runs is thrown away."""
        site().recorder.recording = Recording(here(), (wanted or views.NewRecording()).name)
        return _state(site().recorder)

    @routes.get("/recording")
    async def read_recording() -> views.RecordingState:
        return _state(site().recorder)

    @routes.get("/recording/file", response_class=Response)
    async def download_recording() -> Response:
        """What was recorded so far, as YAML; recording goes on."""
        return Response(_recording(site().recorder).collect().to_yaml(), media_type=YAML)

    @routes.delete("/recording", response_class=Response)
    async def stop_recording() -> Response:
        """Stop, and return what was recorded, as YAML."""
        scenario = _recording(site().recorder).collect()
        site().recorder.recording = None
        return Response(scenario.to_yaml(), media_type=YAML)

    @routes.post("/replay", openapi_extra={"requestBody": {"content": {YAML: {"schema": {"type": "string"}}}}})
    async def replay_scenario(
        request: Request,
        within_s: Annotated[float, Query(gt=0, le=300, description="How long an answer may take.")] = WITHIN_S,
        bot: Annotated[list[str] | None, Query(description="`<recorded id>=<token>`: who stands in.")] = None,
    ) -> views.Replayed:
        """Do a scenario (YAML or JSON) again on this town; 422 when it is none, 409 with the step that went another
        way."""
        try:
            scenario = read_scenario((await request.body()).decode("utf-8", "replace"))
            stand_ins = stand_ins_of(bot or [], scenario)
            done = await replay(str(request.base_url), scenario, bots=stand_ins, within_s=within_s)
        except ScenarioInvalid as error:
            raise HTTPException(422, str(error)) from None
        except ReplayFailed as error:
            raise HTTPException(409, str(error)) from None
        return views.Replayed.model_validate(done)

    return routes


def stand_ins_of(written: list[str], scenario: Scenario) -> dict[int, str]:
    """Who stands in for whom: `<recorded id>=<token>`, or a token alone when the scenario has one bot."""
    found = {}
    for one in written:
        bot_id, equals, token = one.rpartition("=")
        if not equals:
            if len(scenario.bots) != 1:
                raise ScenarioInvalid(f"the scenario has the bots {sorted(scenario.bots)}: say <id>={one}")
            bot_id = str(next(iter(scenario.bots)))
        if not bot_id.isdecimal() or ":" not in token:
            raise ScenarioInvalid(f"{one!r} is not <recorded bot's id>=<token>")
        found[int(bot_id)] = token
    return found


def _recording(recorder: Recorder) -> Recording:
    if recorder.recording is None:
        raise HTTPException(409, "nothing is being recorded; POST /sim/v1/scenario/recording starts")
    return recorder.recording


def _state(recorder: Recorder) -> views.RecordingState:
    if recorder.recording is None:
        return views.RecordingState(running=False, name="", steps=0, answers=0)
    scenario = recorder.recording.collect()
    answers = sum(len(step.answers) for step in scenario.steps)
    return views.RecordingState(running=True, name=scenario.name, steps=len(scenario.steps), answers=answers)
