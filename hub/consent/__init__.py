"""Consent: who may see which category of which fact, by law, consent and emergency. Pure: no I/O, no clock.

The files in the order in which a question runs through them:

    rule_reader, rule_set   a dated TOML file of contracts/rules/ as values
    policy                  the rule set joined with the party registry, every name checked
    policies                every rule set with its first day; which one is in force at a moment
    moment                  the instant of judgement; remembers what is still to come
    custody, responsibility, coordination, protection, placements, health, emergency, consents
                            one fold each: live gate facts -> what they mean now
    standing                all folds together, as one value; when it next changes by time alone
    conditions, relations   the vocabulary of rule sets, one small function per word
    decision                standing + outline + receiver -> what is shown, on what basis
    explanation             the same, in plain words
    matrix                  who may, must never, may by consent: read from the same rules, for people
"""
