"""Currencies that invoices may use, with the smallest and the largest total.

Telegram publishes a list with limits of about one to ten thousand dollars, converted daily. The rates here are
rounded and do not move, so the limits of other currencies than the dollar are taken generously: half the smallest
and twice the largest.
"""

from __future__ import annotations

from dataclasses import dataclass

STARS = "XTR"
STARS_MAX = 100_000
"""In one invoice."""
SUBSCRIPTION_STARS_MAX = 10_000

# Code, digits after the point, units for a dollar.
_LISTED = """
AED 2 3.7   AFN 2 70    ALL 2 90    AMD 2 390   ARS 2 1000  AUD 2 1.5   AZN 2 1.7   BAM 2 1.8   BDT 2 120
BGN 2 1.8   BHD 3 0.38  BND 2 1.3   BOB 2 6.9   BRL 2 5.5   BYN 2 3.3   CAD 2 1.4   CHF 2 0.85  CLP 0 950
CNY 2 7.2   COP 2 4100  CRC 2 510   CZK 2 22    DKK 2 6.8   DOP 2 60    DZD 2 133   EGP 2 49    ETB 2 120
EUR 2 0.9   GBP 2 0.77  GEL 2 2.7   GHS 2 14    GTQ 2 7.7   HKD 2 7.8   HNL 2 25    HUF 2 360   IDR 2 16000
ILS 2 3.6   INR 2 85    IQD 0 1310  ISK 0 135   JMD 2 157   JOD 3 0.71  JPY 0 150   KES 2 129   KGS 2 87
KRW 0 1380  KZT 2 500   LBP 2 89500 LKR 2 297   MAD 2 9.7   MDL 2 17.6  MMK 2 2100  MNT 2 3400  MOP 2 8
MUR 2 46    MVR 2 15.4  MXN 2 19    MYR 2 4.4   MZN 2 64    NGN 2 1600  NIO 2 37    NOK 2 10.7  NPR 2 135
NZD 2 1.7   PAB 2 1     PEN 2 3.7   PHP 2 57    PKR 2 280   PLN 2 3.9   PYG 0 7800  QAR 2 3.6   RON 2 4.5
RSD 2 107   RUB 2 90    SAR 2 3.75  SEK 2 10.3  SGD 2 1.3   SYP 2 13000 THB 2 34    TJS 2 10.6  TRY 2 38
TTD 2 6.8   TWD 2 32    TZS 2 2700  UAH 2 41    UGX 0 3700  USD 2 1     UYU 2 42    UZS 2 12800 VND 0 25000
YER 2 250   ZAR 2 18
"""


@dataclass(frozen=True, slots=True)
class Currency:
    """`digits` after the point; totals in the smallest units."""

    code: str
    digits: int
    total_min: int
    total_max: int

    def shown(self, amount: int) -> str:
        """The amount as a button shows it."""
        if self.code == STARS:
            return f"⭐️{amount}"
        return f"{amount / 10**self.digits:.{self.digits}f} {self.code}"


def _listed() -> dict[str, Currency]:
    words = _LISTED.split()
    found = {STARS: Currency(STARS, 0, 1, STARS_MAX)}
    for code, digits, rate in zip(words[::3], words[1::3], words[2::3], strict=True):
        dollar = float(rate) * 10 ** int(digits)
        slack = 1 if code == "USD" else 2
        found[code] = Currency(code, int(digits), max(1, round(dollar / slack)), round(dollar * 10_000 * slack))
    return found


CURRENCIES = _listed()
