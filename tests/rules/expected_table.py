"""Table 4.3 of the domain specification as it stands there, its readings, and where its own text says more.

Rules:
- `TABLE` is the table, cell by cell: a number is a rule, `C` consent, `B` break-glass, `N` never, `<18` minors alone.
- `expected` applies the readings of 4.9.12 and of the sentence below the table, one by one.
- `TEXT_LEADS` lists each cell in which a rule's text opens more than the table shows; the text leads.
"""

from __future__ import annotations

COLUMNS = ("PRI/KIF", "PHE", "SOC", "JOB", "BEN", "ADD", "YTH", "PSY", "CHI", "HSG", "MNT", "VOL")
TABLE = {
    "CU": "13       | 13    | 1 2 C B  | 1 C  | 1 C  | C         | C    | C B   | 1<18 2<18 C | C    | C   | C",
    "RE": "13       | C     | 2 3 C    | C    | C    | C         | C    | C     | 2<18 C      | C    | C   | C",
    "OF": "13       | C     | 3 C      | C    | N    | C         | C    | C     | C           | N    | C   | N",
    "PL": "2 3 C    | C     | 2 3 4 C  | 4 C  | 4 C  | 4 C       | 4 C  | 4 C   | 4 C         | 4 C  | 4 C | 4 C",
    "HO": "2 3 C    | C     | 2 3 10 C | 4 C  | 10 C | 10 C      | C    | C B   | 10 C        | 10 C | C   | C",
    "AD": "2 C      | C     | 2 10 C   | C    | 10 C | C         | C    | C     | 10 C        | 10 C | C   | C",
    "FI": "C        | C     | 10 C     | 10 C | 10 C | C         | C    | C     | C           | C    | C   | N",
    "EM": "2 C      | C     | 2 10 C   | 10 C | 10 C | C         | 10 C | C     | C           | C    | C   | C",
    "ED": "C        | C     | 10 C     | 10 C | C    | C         | 10 C | C     | C           | C    | C   | C",
    "SU": "C        | 6 C B | C 5      | C    | C    | 6 C       | C    | 6 C B | C B         | N    | C   | N",
    "MH": "C 5 B    | 6 C B | C 5 B    | C    | N    | 6 C 5 B   | C    | 6 C   | C B         | N    | N   | N",
    "PH": "C B      | 6 C B | C B      | C    | C    | 6 C B     | C    | 6 C B | C           | N    | C   | N",
    "CF": "C 8      | N     | C 8      | N    | N    | C         | C    | C     | C 8 B       | N    | N   | N",
    "NW": "C        | C     | C        | C    | C    | C         | C    | C B   | C           | C    | C   | C",
    "RI": "3 13 C B | C B   | 3 C B    | C    | N    | C B       | N    | C B   | C B         | N    | N   | N",
}

ROLES = ("PRI", "KIF", "FAC", *COLUMNS[1:])
LEFT_OUT = {"4", "5", "8", "14"}

TEXT_LEADS_DK = {
    "S3 opens OF and RE both ways (4.2, 4.9.6)": {
        ("PRI", "OF"): "3",
        ("PRI", "RE"): "3",
        ("KIF", "OF"): "3",
        ("KIF", "RE"): "3",
    },
    "asSOC is CHI for a minor (4.1), in every category of S2": {
        ("CHI", category): "2<18" for category in ("PL", "HO", "AD", "EM")
    },
    "S10 opens FI, EM, ED to CHI while the citizen is under 18 (4.2, 4.9.8)": {
        ("CHI", category): "10<18" for category in ("FI", "EM", "ED")
    },
    "ADD and FAC are health parties where they are healthcare providers (4.2 S6)": {
        ("FAC", category): "6" for category in ("SU", "MH", "PH")
    },
}
TEXT_LEADS_BOTH = {"psychiatry may open MH by break-glass (4.6)": {("PSY", "MH"): "B"}}
TEXT_LEADS_SE = {
    f"{rule} between health parties, and with the responsible board (4.2)": {
        (role, category): mark for role, mark in roles.items() for category in ("SU", "MH", "PH")
    }
    for rule, roles in {
        "S6": {"PHE": "6", "PSY": "6", "ADD": "6", "FAC": "6"},
        "S7": {"PHE": "7", "PSY": "7", "ADD": "7", "FAC": "7", "SOC": "7", "CHI": "7<18"},
    }.items()
}


def as_table_reads(jurisdiction: str) -> dict[tuple[str, str], set[str]]:
    """The cells of table 4.3, read as 4.9.12 and the sentence below the table say; by (role, category)."""
    cells: dict[tuple[str, str], set[str]] = {}
    for category, line in TABLE.items():
        for column, text in zip(COLUMNS, line.split("|"), strict=True):
            for role in column.split("/"):
                # The single-event rules are left out.
                cells[role, category] = set(text.split()) - LEFT_OUT
        # FAC has no column: N for OF, C elsewhere, B nowhere.
        cells["FAC", category] = {"N"} if category == "OF" else {"C"}
    for (role, category), cell in cells.items():
        if jurisdiction == "SE":
            # The numbers are replaced; N and B are identical. PRI to PHE: CU (4.9.8).
            cell -= {mark for mark in cell if mark[0].isdigit()}
            cell |= {"13"} if (role, category) == ("PHE", "CU") else set()
        # Between PRI and KIF S13 covers every category but CF.
        cell |= {"13"} if role in ("PRI", "KIF") and category != "CF" else set()
        # C stands wherever N does not.
        cell |= set() if "N" in cell else {"C"}
    return cells


def text_leads(jurisdiction: str) -> dict[str, dict[tuple[str, str], str]]:
    """What the text adds to the table, by reason."""
    return TEXT_LEADS_BOTH | (TEXT_LEADS_DK if jurisdiction == "DK" else TEXT_LEADS_SE)


def expected(jurisdiction: str) -> dict[tuple[str, str], set[str]]:
    """The cells that the rule data must give."""
    cells = as_table_reads(jurisdiction)
    for added in text_leads(jurisdiction).values():
        for place, mark in added.items():
            cells[place].add(mark)
    return cells
