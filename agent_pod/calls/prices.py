"""What a model call costs."""

from decimal import Decimal
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from kernel.errors import SettingsInvalid

_PER_MILLION = Decimal(1_000_000)


class Price(BaseModel):
    """USD per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Decimal
    output: Decimal


class Prices:
    """A price list by the beginning of model names."""

    def __init__(self, prices: dict[str, Price]):
        self._prices = sorted(prices.items(), key=lambda item: -len(item[0]))

    @classmethod
    def read(cls, path: Path) -> "Prices":
        """Read a YAML price list. Raises SettingsInvalid that names the file."""
        try:
            return cls(TypeAdapter(dict[str, Price]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8"))))
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise SettingsInvalid(f"FLEET_MODEL_PRICES: {path} is no price list: {error}") from None

    def cost(self, model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        """USD for a call, or None where the model has no known price."""
        for beginning, price in self._prices:
            if model.startswith(beginning):
                return (price.input * input_tokens + price.output * output_tokens) / _PER_MILLION
        return None
