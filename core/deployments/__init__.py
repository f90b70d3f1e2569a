"""From a plan to an endpoint in service: the plan, the steps that carry it out, their events and their ledger."""
