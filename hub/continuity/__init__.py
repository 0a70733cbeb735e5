"""The continuity indicators I1 to I18: did what began inside go on outside, and what was late or missing.

terms.toml       every period, threshold and code list; terms.py reads it once
case.py          one case as known at a cut-off; episodes.py its custody episodes
activities.py    I1        contact.py       I2        plans.py         I3
treatment.py     I4, I17   coordinators.py  I5, I6    deadlines.py     I7
efforts.py       I8        trials.py        I9        outreach.py      I10
readiness.py     I11, I12  organisation.py  I13       children.py      I14
consent_health.py I15      emergency.py     I16       returning.py     I18
placements.py    days and cost shift of placements
clocks.py        what has run out over an open case; clocks.toml whom it is asked of, clock_terms.py reads that
measures.py      what one release says; table.py the table over many, small cells kept back
"""
