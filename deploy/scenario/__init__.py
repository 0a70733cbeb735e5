"""The scenario player: vignettes in a small grammar, played through the hub, each party's view compared.

grammar.py       text -> Scenario (what happens, and what each party must see when)
expansion.py     Scenario -> registry and complete statements
world.py         what a hub to play in must offer; core_world.py in memory, kafka_world.py on Kafka
player.py        plays one in the other, in the order of recorded time
comparison.py    expected view against the party's own view and the hub's newest decision
command.py       `hub scenario play FILE`
"""
