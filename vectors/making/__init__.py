"""How the vectors are made. Nothing here imports tercet: it is a second implementation of the formats."""
