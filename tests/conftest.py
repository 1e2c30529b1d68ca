import os

# Two OpenMP threads that wait for each other on a busy machine are slower than one; must be set before torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
