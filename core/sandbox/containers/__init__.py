"""Stand-ins for the containers that SageMaker runs: each a program that obeys the container contract on loopback.

A stand-in is started by the hosting plane as a child process. It imports nothing of the rest of the program, keeps to
the rules of the container it stands for, and ends with whoever started it.
"""
