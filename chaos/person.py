"""The person of a run: who is asked about a tool that may have run looks into the effects server's own database."""

import asyncio
import json
import random
import re
from collections import Counter

import httpx

from chaos.effects_server import EffectsBook
from chaos.outside import Outside
from chaos.process_reading import receipt_of
from chaos.referee import Verdict

_LOOK_SECONDS = 0.5


class Person:
    """`answer_questions` runs until cancelled. `decisions` counts what was decided."""

    def __init__(self, outside: Outside, effects: EffectsBook, dice: random.Random):
        self._outside = outside
        self._effects = effects
        self._dice = dice
        self.decisions: Counter[str] = Counter()

    async def answer_questions(self) -> None:
        """Answer what is asked, each question after a moment of thought."""
        while True:
            try:
                answer = await self._outside.ask("GET", "/questions")
                for question in answer.json().get("items", []):
                    await self._answer(question)
            except httpx.HTTPError:
                pass  # it is asked again
            await asyncio.sleep(self._dice.uniform(0.2, 1) * _LOOK_SECONDS)

    def verdicts(self) -> list[Verdict]:
        """How often the person decided what."""
        return [Verdict(f"person: {what}", times, None) for what, times in sorted(self.decisions.items())]

    async def _answer(self, question: dict[str, str]) -> None:
        found = re.search(r"with (\{.*?\}), and", question["question"])
        assert question["kind"] == "unknown_outcome" and found, question
        key = json.loads(found[1])["key"]
        done = self._effects.was_done(key)
        decision = {"decision": "skip", "result": {"receipt": receipt_of(key)}} if done else {"decision": "run_again"}
        path = f"/questions/{question['question_id']}/answer"
        told = await self._outside.ask("POST", path, json={"answer": decision})
        if told.is_success:  # else it was answered before, and only the news of it was lost
            self.decisions[decision["decision"]] += 1
