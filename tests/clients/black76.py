"""Values of options on futures by vollib.

Reads lines `right forward strike years rate volatility price other` and prints for each: price, delta, gamma, theta, vega, rho,
the volatility that gives `price` or nan, and the price at the volatility `other` or nan.
"""

import sys

from vollib.black import black
from vollib.black.greeks.analytical import delta, gamma, rho, theta, vega
from vollib.black.implied_volatility import implied_volatility

for line in sys.stdin:
    right, *numbers = line.split()
    forward, strike, years, rate, volatility, price, other = map(float, numbers)
    terms = (right, forward, strike, years, rate)
    values = [black(*terms, volatility)]
    values += [greek(*terms, volatility) for greek in (delta, gamma, theta, vega, rho)]
    try:
        values.append(implied_volatility(price, forward, strike, rate, years, right))
    except Exception:
        values.append(float("nan"))
    values.append(black(*terms, other) if other == other else float("nan"))
    print(*(repr(float(value)) for value in values))
