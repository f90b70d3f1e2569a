"""The front ends: commands, questions and screens over the functions of `core`."""
