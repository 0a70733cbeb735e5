"""A second reader of the disclosure rules: slow, plain, from the text of the domain specification alone.

Rules:
- It shares no code with the decision that it checks: of the project it reads the event contracts and nothing else.
- One function for each statutory rule, never-rule, gate and condition of consent; each names its sentence.
- `questions` makes histories from one number; `comparison` asks both readers and keeps what differs.

`python -m tests.naive --questions 1000000 --seed 7` is the long run.
"""
