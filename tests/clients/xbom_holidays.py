"""Prints the weekdays of a year on which Bombay's exchange has no session, one per line."""

import sys

import exchange_calendars
import pandas

year = sys.argv[1]
sessions = exchange_calendars.get_calendar("XBOM").sessions_in_range(f"{year}-01-01", f"{year}-12-31")
for day in pandas.bdate_range(f"{year}-01-01", f"{year}-12-31").difference(sessions):
    print(day.date())
