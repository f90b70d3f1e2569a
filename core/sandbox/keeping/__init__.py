"""What is kept of the sandbox's account over stops and kills: small records in SQLite, objects' bytes as files.

Whatever a client was answered is kept: records are written after moto or hosting has done its work and before the
answer goes out. Not kept: log events, metrics, schedules, sessions of assumed roles, and uploads under way.
"""
