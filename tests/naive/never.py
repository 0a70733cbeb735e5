"""The never-rules and the gates: what no basis opens (4.1 steps 2 and 3, 4.3).

Rules:
- A never-rule names itself where it closes a category to a receiver.
- A gate says for which bases a receiver may receive at the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.naive.case import MUNICIPAL_ROLES, Case, country, municipality, role
from tests.naive.standing import (
    address_protected,
    custody_open,
    of_responsible,
    probation_active,
    remand_restrictions,
)

# Table 4.3, the letters N, read row by row; "N identical" in Sweden.
TABLE: Final = {
    "OF": ("BEN", "HSG", "VOL"),
    "FI": ("VOL",),
    "SU": ("HSG", "VOL"),
    "MH": ("BEN", "HSG", "MNT", "VOL"),
    "PH": ("HSG", "VOL"),
    "CF": ("PHE", "JOB", "BEN", "HSG", "MNT", "VOL"),
    "RI": ("BEN", "YTH", "HSG", "MNT", "VOL"),
}
TABLE_ROLES: Final = (
    "PRI", "KIF", "PHE", "SOC", "JOB", "BEN", "ADD", "YTH", "PSY", "CHI", "HSG", "MNT", "VOL", "FAC",
)  # fmt: skip


def n_table(case: Case, receiver: str, category: str) -> bool:
    """N = never even with consent."""
    return role(receiver) in TABLE.get(category, ())


def n1(case: Case, receiver: str, category: str) -> bool:
    """Police/prosecution never a receiver; police are not a party. Nor is any other role without a column."""
    return role(receiver) not in (*TABLE_ROLES, "OPS", "GOV", "EVA")


def abroad(case: Case, receiver: str, category: str) -> bool:
    """S13 "one authority": no party of the other country."""
    return country(receiver) not in (None, case.history.jurisdiction)


def n2(case: Case, receiver: str, category: str) -> bool:
    """OPS and GOV only aggregates."""
    return role(receiver) in ("OPS", "GOV")


def n3(case: Case, receiver: str, category: str) -> bool:
    """EVA only pseudonymised events of its cohort: no event of a case goes to it."""
    return role(receiver) == "EVA"


def n4(case: Case, receiver: str, category: str) -> bool:
    """FAC never OF. (The other half, `childRef`, closes a field and no category.)"""
    return role(receiver) == "FAC" and category == "OF"


def n7(case: Case, receiver: str, category: str) -> bool:
    """CU not while the latest RemandStarted/Extended says restrictions=true (MNT, VOL, HSG, FAC)."""
    return category == "CU" and role(receiver) in ("MNT", "VOL", "HSG", "FAC") and remand_restrictions(case)


def n8(case: Case, receiver: str, category: str) -> bool:
    """While AddressProtection is set AD goes only to responsible SOC, BEN and to active KIF."""
    if category != "AD" or not address_protected(case):
        return False
    office = role(receiver) in ("SOC", "BEN") and of_responsible(case, receiver)
    return not office and not (role(receiver) == "KIF" and probation_active(case))


Closes = Callable[[Case, str, str], bool]
NEVER: Final[Mapping[str, Closes]] = {
    "N": n_table,
    "N1": n1,
    "abroad": abroad,
    "N2": n2,
    "N3": n3,
    "N4": n4,
    "N7": n7,
    "N8": n8,
}


def prison_gate(case: Case, receiver: str, basis: str) -> bool:
    """PRI and PHE receive only while custody is open (no consent or S-rule survives release)."""
    return role(receiver) in ("PRI", "PHE") and not custody_open(case)


def probation_gate(case: Case, receiver: str, basis: str) -> bool:
    """KIF receives by S-rules (S4, S5, S8 excepted) only when active."""
    by_rule = basis.startswith("S") and basis not in ("S4", "S5", "S8")
    return role(receiver) == "KIF" and by_rule and not probation_active(case)


def municipal_gate(case: Case, receiver: str, basis: str) -> bool:
    """Municipal receivers by S1-S3, S7, S10, S11 only while their municipality is responsible at T."""
    municipal = role(receiver) in MUNICIPAL_ROLES and municipality(receiver) is not None
    return municipal and basis in ("S1", "S2", "S3", "S7", "S10", "S11") and not of_responsible(case, receiver)


GATES: Final[Mapping[str, Closes]] = {
    "gate prison": prison_gate,
    "gate probation": probation_gate,
    "gate municipal": municipal_gate,
}
