"""Goods, customers and orders of the demo shop: the same order has the same content wherever it is made."""

from __future__ import annotations

import random
from dataclasses import dataclass

#: article -> price in cents
PRICES = {
    "Green tea 100 g": 690,
    "Black tea 250 g": 1240,
    "Tea pot, glass": 2990,
    "Cups, set of four": 2450,
    "Honey, acacia": 850,
    "Shortbread": 490,
    "Kettle, steel": 5990,
}
NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Tony", "Radia", "Ken")
CITIES = ("Berlin", "Hamburg", "Wien", "Zürich", "Paris", "Utrecht", "Gdańsk")
PHOTOS = ("tea-pot.jpg", "cups.jpg", "kettle.jpg", "honey.jpg", "harbour.jpg")
#: one in so many orders has a card that the bank declines, and another one a carrier that does not answer
RARE = 10
DECLINED, UNANSWERED = 3, 7


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its items."""

    number: int
    customer: str
    city: str
    items: dict[str, int]

    @property
    def email(self) -> str:
        return f"{self.customer.lower()}@example.com"

    @property
    def cents(self) -> int:
        return sum(PRICES[article] * pieces for article, pieces in self.items.items())

    @property
    def is_declined(self) -> bool:
        """True if the bank declines its card at first."""
        return self.number % RARE == DECLINED

    @property
    def is_unanswered(self) -> bool:
        """True if the carrier does not answer at first."""
        return self.number % RARE == UNANSWERED


def order(number: int) -> Order:
    """The order of this number."""
    dice = random.Random(number)
    articles = dice.sample(list(PRICES), dice.choice((1, 1, 2, 3)))
    return Order(number, dice.choice(NAMES), dice.choice(CITIES), {article: dice.randint(1, 3) for article in articles})


def photo(number: int) -> str:
    """A photo of an article."""
    return PHOTOS[number % len(PHOTOS)]
