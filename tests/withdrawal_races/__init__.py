"""A withdrawal races with the facts around it, with sending and with faults; what was promised must hold in each order.

Rules:
- Two actors: the agencies, who consent, state a fact, withdraw and state another one, and the hub, which takes and
  settles, hands records to the broker, and hears that they are stored. Every interleaving of their steps is played;
  then as many drawn ones as asked for, with faults in between.
- One hub serves many races, each of a citizen of its own: what one leaves behind the next one meets.
- `race` plays, `verdict` reads the topics alone. Neither knows how the hub decides.
"""
