"""The scenario player: vignettes in a small grammar, played through the hub, each party's view compared.

grammar.py       text -> Scenario (scenario.py): what happens, and what each party must see when
expansion.py     Scenario -> registry and complete statements
world.py         what a hub to play in must offer; core_world.py in memory (on simulated_broker.py),
                 kafka_world.py on Kafka; its one citizen is citizen.py's
player.py        plays one in the other, in the order of recorded time
shuffles.py      the same facts in other orders of arrival
comparison.py    expected view against the party's own view and the hub's newest decision
indicators.py    the values of `I` lines against what the stored facts give
report.py        text and JSON of it; command.py is `hub scenario play FILE`
"""
